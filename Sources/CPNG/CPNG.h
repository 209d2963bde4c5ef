#ifndef CPNG_H
#define CPNG_H

#include <errno.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <png.h>

// libpng reports errors with longjmp, which must not cross Swift frames. Each function here that enters libpng calls
// setjmp first and returns a status. None of them prints anything or closes the file.

enum cpng_status {
  CPNG_DONE = 0,
  CPNG_EMPTY,
  CPNG_NOT_A_PNG,
  CPNG_TRUNCATED,
  CPNG_CORRUPT,   // the message is libpng's
  CPNG_IO_ERROR,  // the message is the operating system's
};

typedef struct {
  uint32_t width;
  uint32_t height;
  int bit_depth;
  int color_type;  // PNG_COLOR_TYPE_…
  int interlaced;
} cpng_header;

typedef struct {
  int status;
  char message[160];
} cpng_outcome;

static inline void cpng_set_error(cpng_outcome *outcome, int status, const char *message) {
  if (outcome->status != CPNG_DONE) return;  // the first error is the cause
  outcome->status = status;
  snprintf(outcome->message, sizeof outcome->message, "%s", message);
}

static inline void cpng_on_error(png_structp png, png_const_charp message) {
  cpng_set_error((cpng_outcome *)png_get_error_ptr(png), CPNG_CORRUPT, message);
  png_longjmp(png, 1);
}

static inline void cpng_on_warning(png_structp png, png_const_charp message) {
  (void)png;
  (void)message;
}

// MARK: - Reading

/// An open PNG file between the header and the end of its pixels.
typedef struct {
  png_structp png;
  png_infop info;
  FILE *file;
  uint64_t chunks;  // chunk headers read so far
  cpng_outcome outcome;
} cpng_reader;

/// Whether `count` bytes follow in the file; true if its size is unknown.
static inline int cpng_is_left(FILE *file, uint32_t count) {
  struct stat status;
  off_t position = ftello(file);
  return position < 0 || fstat(fileno(file), &status) != 0 || !S_ISREG(status.st_mode) ||
         (off_t)count <= status.st_size - position;
}

static inline void cpng_read_bytes(png_structp png, png_bytep bytes, size_t count) {
  cpng_reader *reader = (cpng_reader *)png_get_io_ptr(png);
  int is_header = (png_get_io_state(png) & PNG_IO_MASK_LOC) == PNG_IO_CHUNK_HDR;
  if (is_header) reader->chunks++;
  if (fread(bytes, 1, count, reader->file) == count) {
    // libpng allocates a chunk other than IDAT before it reads it: a damaged length must not take gigabytes.
    int is_allocated = is_header && count == 8 && memcmp(bytes + 4, "IDAT", 4) != 0;
    if (!is_allocated || cpng_is_left(reader->file, png_get_uint_32(bytes))) return;
    cpng_set_error(&reader->outcome, CPNG_TRUNCATED, "");
  } else if (ferror(reader->file)) {
    cpng_set_error(&reader->outcome, CPNG_IO_ERROR, strerror(errno));
  } else {
    cpng_set_error(&reader->outcome, CPNG_TRUNCATED, "");
  }
  png_error(png, "");
}

static inline void cpng_close_reader(cpng_reader *reader) {
  if (reader == NULL) return;
  png_destroy_read_struct(&reader->png, &reader->info, NULL);
  free(reader);
}

/// Reads the header of `file`, from its beginning. A critical chunk with a bad checksum is an error; an ancillary one
/// (a color profile, a text) is skipped.
///
/// Returns NULL after an error, which `outcome` holds. The file must stay open until `cpng_close_reader`.
static inline cpng_reader *cpng_open_reader(FILE *file, cpng_header *header, cpng_outcome *outcome) {
  uint8_t signature[8];
  size_t found = fread(signature, 1, sizeof signature, file);
  *outcome = (cpng_outcome){CPNG_DONE, ""};
  if (ferror(file)) cpng_set_error(outcome, CPNG_IO_ERROR, strerror(errno));
  else if (found == 0) cpng_set_error(outcome, CPNG_EMPTY, "");
  else if (png_sig_cmp(signature, 0, found) != 0) cpng_set_error(outcome, CPNG_NOT_A_PNG, "");
  else if (found < sizeof signature) cpng_set_error(outcome, CPNG_TRUNCATED, "");
  if (outcome->status != CPNG_DONE) return NULL;

  cpng_reader *reader = (cpng_reader *)calloc(1, sizeof *reader);
  if (reader != NULL) {
    reader->file = file;
    reader->png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &reader->outcome, cpng_on_error, cpng_on_warning);
    if (reader->png != NULL) reader->info = png_create_info_struct(reader->png);
  }
  if (reader == NULL || reader->info == NULL) {
    cpng_set_error(outcome, CPNG_IO_ERROR, strerror(ENOMEM));
    cpng_close_reader(reader);
    return NULL;
  }
  png_structp png = reader->png;
  if (setjmp(png_jmpbuf(png)) != 0) {
    *outcome = reader->outcome;
    cpng_close_reader(reader);
    return NULL;
  }
  png_set_read_fn(png, reader, cpng_read_bytes);
  png_set_sig_bytes(png, sizeof signature);
  // The caller checks the size before any row is allocated, and its message names the size.
  png_set_user_limits(png, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
  png_set_crc_action(png, PNG_CRC_ERROR_QUIT, PNG_CRC_WARN_DISCARD);
  // Of the chunks that do not change the pixels only texts are read.
  png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, NULL, -1);
  png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_AS_DEFAULT, (png_const_bytep)"tEXt", 1);
  png_read_info(png, reader->info);
  header->width = png_get_image_width(png, reader->info);
  header->height = png_get_image_height(png, reader->info);
  header->bit_depth = png_get_bit_depth(png, reader->info);
  header->color_type = png_get_color_type(png, reader->info);
  header->interlaced = png_get_interlace_type(png, reader->info) != PNG_INTERLACE_NONE;
  return reader;
}

/// The text of the file under a keyword, if it comes before the pixels; NULL if there is none. Valid until
/// `cpng_close_reader`.
static inline const char *cpng_text(const cpng_reader *reader, const char *keyword) {
  png_textp texts = NULL;
  int count = png_get_text(reader->png, reader->info, &texts, NULL);
  for (int i = 0; i < count; i++)
    if (strcmp(texts[i].key, keyword) == 0) return texts[i].text;
  return NULL;
}

/// Whether the file ends with an IEND chunk, that is, is not truncated.
static inline int cpng_has_end(FILE *file) {
  static const uint8_t end[12] = {0, 0, 0, 0, 'I', 'E', 'N', 'D', 0xae, 0x42, 0x60, 0x82};
  uint8_t tail[sizeof end];
  struct stat status;
  return fstat(fileno(file), &status) == 0 && status.st_size >= (off_t)sizeof end &&
         pread(fileno(file), tail, sizeof tail, status.st_size - (off_t)sizeof tail) == (ssize_t)sizeof tail &&
         memcmp(tail, end, sizeof end) == 0;
}

/// Reads rows as they are stored, one byte a value (1, 2 and 4-bit values are unpacked, not scaled; palette indices
/// stay indices), without gaps between rows. Of an interlaced image `first` must be 0 and `count` its height. With `to_rgb`
/// every kind of image is converted to 8-bit RGB.
///
/// Decoding stops after the last of these rows, once the checksum of every chunk that holds a part of them is verified.
/// A file without an IEND chunk is decoded to its end, so that truncation is reported.
static inline cpng_outcome cpng_read_rows(cpng_reader *reader, uint32_t first, uint32_t count, int to_rgb,
                                           size_t row_bytes, uint8_t *pixels) {
  png_structp png = reader->png;
  if (setjmp(png_jmpbuf(png)) != 0) return reader->outcome;
  if (to_rgb) {
    png_set_expand(png);
    png_set_scale_16(png);
    png_set_strip_alpha(png);
    png_set_gray_to_rgb(png);
  } else {
    png_set_packing(png);
  }
  int passes = png_set_interlace_handling(png);
  png_read_update_info(png, reader->info);
  size_t stride = png_get_rowbytes(png, reader->info);
  if (stride != row_bytes) png_error(png, "rows of another length");
  uint32_t height = png_get_image_height(png, reader->info);
  uint32_t row = 0;
  for (; passes > 1; passes--)
    for (uint32_t y = 0; y < height; y++) png_read_row(png, pixels + y * stride, NULL);
  for (; row < first; row++) png_read_row(png, NULL, NULL);
  for (; row < first + count; row++) png_read_row(png, pixels + (row - first) * stride, NULL);
  // The checksum of a chunk is verified when the next chunk begins.
  uint64_t chunks = reader->chunks;
  int to_end = !cpng_has_end(reader->file);
  for (; row < height && (to_end || reader->chunks == chunks); row++) png_read_row(png, NULL, NULL);
  if (row == height) png_read_end(png, NULL);
  return reader->outcome;
}

// MARK: - Writing

static inline void cpng_write_bytes(png_structp png, png_bytep bytes, size_t count) {
  if (fwrite(bytes, 1, count, (FILE *)png_get_io_ptr(png)) == count) return;
  cpng_set_error((cpng_outcome *)png_get_error_ptr(png), CPNG_IO_ERROR, strerror(errno));
  png_error(png, "");
}

static inline void cpng_flush(png_structp png) { (void)png; }

/// Writes an 8-bit image. `palette` holds `colors` triples red, green, blue; it is used for the color type
/// PNG_COLOR_TYPE_PALETTE alone. `text` is stored under `keyword` before the pixels, unless it is NULL.
static inline cpng_outcome cpng_write(FILE *file, const cpng_header *header, const uint8_t *palette, int colors,
                                      int compression, const char *keyword, const char *text,
                                      const uint8_t *pixels) {
  cpng_outcome outcome = {CPNG_DONE, ""};
  png_color entries[256];
  if (header->color_type == PNG_COLOR_TYPE_PALETTE) {
    for (int i = 0; i < colors && i < 256; i++) {
      entries[i].red = palette[3 * i];
      entries[i].green = palette[3 * i + 1];
      entries[i].blue = palette[3 * i + 2];
    }
  }
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, &outcome, cpng_on_error, cpng_on_warning);
  if (png == NULL) {
    cpng_set_error(&outcome, CPNG_IO_ERROR, strerror(ENOMEM));
    return outcome;
  }
  png_infop info = png_create_info_struct(png);
  if (info == NULL) {
    png_destroy_write_struct(&png, NULL);
    cpng_set_error(&outcome, CPNG_IO_ERROR, strerror(ENOMEM));
    return outcome;
  }
  if (setjmp(png_jmpbuf(png)) == 0) {
    png_set_write_fn(png, file, cpng_write_bytes, cpng_flush);
    png_set_IHDR(png, info, header->width, header->height, 8, header->color_type, PNG_INTERLACE_NONE,
                 PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    if (header->color_type == PNG_COLOR_TYPE_PALETTE) png_set_PLTE(png, info, entries, colors);
    // Label and edge maps are flat areas, which compress best unfiltered; photographs compress best filtered.
    int photograph = header->color_type == PNG_COLOR_TYPE_RGB;
    png_set_filter(png, PNG_FILTER_TYPE_BASE,
                   photograph ? PNG_FILTER_SUB | PNG_FILTER_UP | PNG_FILTER_PAETH : PNG_FILTER_NONE);
    png_set_compression_level(png, compression);
    png_text entry = {.compression = PNG_TEXT_COMPRESSION_NONE, .key = (png_charp)keyword, .text = (png_charp)text};
    if (text != NULL) png_set_text(png, info, &entry, 1);
    png_write_info(png, info);
    size_t stride = png_get_rowbytes(png, info);
    for (uint32_t y = 0; y < header->height; y++) png_write_row(png, pixels + y * stride);
    png_write_end(png, NULL);
  }
  png_destroy_write_struct(&png, &info);
  return outcome;
}

#endif

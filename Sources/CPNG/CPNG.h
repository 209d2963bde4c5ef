#ifndef CPNG_H
#define CPNG_H

#include <errno.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <png.h>

// libpng reports errors with longjmp, which must not cross Swift frames. Each function here enters libpng once, for a
// whole image, and comes back with a status. None of them prints anything or closes the file.

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
} cpng_header;

typedef struct {
  int status;
  char message[160];
} cpng_outcome;

static inline void cpng_note(cpng_outcome *outcome, int status, const char *message) {
  if (outcome->status != CPNG_DONE) return;  // the first cause is the one to tell
  outcome->status = status;
  snprintf(outcome->message, sizeof outcome->message, "%s", message);
}

static inline void cpng_on_error(png_structp png, png_const_charp message) {
  cpng_note((cpng_outcome *)png_get_error_ptr(png), CPNG_CORRUPT, message);
  png_longjmp(png, 1);
}

static inline void cpng_on_warning(png_structp png, png_const_charp message) {
  (void)png;
  (void)message;
}

static inline void cpng_read_bytes(png_structp png, png_bytep bytes, size_t count) {
  FILE *file = (FILE *)png_get_io_ptr(png);
  if (fread(bytes, 1, count, file) == count) return;
  cpng_outcome *outcome = (cpng_outcome *)png_get_error_ptr(png);
  if (ferror(file)) cpng_note(outcome, CPNG_IO_ERROR, strerror(errno));
  else cpng_note(outcome, CPNG_TRUNCATED, "");
  png_error(png, "");
}

static inline void cpng_write_bytes(png_structp png, png_bytep bytes, size_t count) {
  if (fwrite(bytes, 1, count, (FILE *)png_get_io_ptr(png)) == count) return;
  cpng_note((cpng_outcome *)png_get_error_ptr(png), CPNG_IO_ERROR, strerror(errno));
  png_error(png, "");
}

static inline void cpng_flush(png_structp png) { (void)png; }

/// Reads from the beginning of `file`: the header into `header`, and, unless `pixels` is NULL, the image as it is
/// stored, row by row without gaps. With `pixels`, `header` must hold what an earlier call found, and the bit depth
/// must be 8: `pixels` has room for just that image.
static inline cpng_outcome cpng_read(FILE *file, cpng_header *header, uint8_t *pixels) {
  cpng_outcome outcome = {CPNG_DONE, ""};
  uint8_t signature[8];
  rewind(file);
  size_t found = fread(signature, 1, sizeof signature, file);
  if (ferror(file)) cpng_note(&outcome, CPNG_IO_ERROR, strerror(errno));
  else if (found == 0) cpng_note(&outcome, CPNG_EMPTY, "");
  else if (png_sig_cmp(signature, 0, found) != 0) cpng_note(&outcome, CPNG_NOT_A_PNG, "");
  else if (found < sizeof signature) cpng_note(&outcome, CPNG_TRUNCATED, "");
  if (outcome.status != CPNG_DONE) return outcome;

  png_structp png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &outcome, cpng_on_error, cpng_on_warning);
  if (png == NULL) {
    cpng_note(&outcome, CPNG_IO_ERROR, "libpng could not be started");
    return outcome;
  }
  png_infop info = png_create_info_struct(png);
  if (info == NULL) {
    png_destroy_read_struct(&png, NULL, NULL);
    cpng_note(&outcome, CPNG_IO_ERROR, strerror(ENOMEM));
    return outcome;
  }
  if (setjmp(png_jmpbuf(png)) == 0) {
    png_set_read_fn(png, file, cpng_read_bytes);
    png_set_sig_bytes(png, sizeof signature);
    png_set_user_limits(png, PNG_UINT_31_MAX, PNG_UINT_31_MAX);  // the caller judges the size, and says so better
    png_set_crc_action(png, PNG_CRC_ERROR_QUIT, PNG_CRC_ERROR_QUIT);
    png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, NULL, -1);  // color profiles, texts: checked and dropped
    png_read_info(png, info);
    cpng_header now = {png_get_image_width(png, info), png_get_image_height(png, info),
                       png_get_bit_depth(png, info), png_get_color_type(png, info)};
    if (pixels == NULL) {
      *header = now;
    } else {
      if (memcmp(&now, header, sizeof now) != 0 || now.bit_depth != 8) png_error(png, "it changed while it was read");
      int passes = png_set_interlace_handling(png);
      png_read_update_info(png, info);
      size_t stride = png_get_rowbytes(png, info);
      for (int pass = 0; pass < passes; pass++)
        for (uint32_t y = 0; y < now.height; y++) png_read_row(png, pixels + y * stride, NULL);
      png_read_end(png, NULL);
    }
  }
  png_destroy_read_struct(&png, &info, NULL);
  return outcome;
}

/// Writes an 8-bit image. `palette` holds `colors` triples red, green, blue, for the color type
/// PNG_COLOR_TYPE_PALETTE; otherwise it is not looked at.
static inline cpng_outcome cpng_write(FILE *file, const cpng_header *header, const uint8_t *palette, int colors,
                                      int compression, const uint8_t *pixels) {
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
    cpng_note(&outcome, CPNG_IO_ERROR, "libpng could not be started");
    return outcome;
  }
  png_infop info = png_create_info_struct(png);
  if (info == NULL) {
    png_destroy_write_struct(&png, NULL);
    cpng_note(&outcome, CPNG_IO_ERROR, strerror(ENOMEM));
    return outcome;
  }
  if (setjmp(png_jmpbuf(png)) == 0) {
    png_set_write_fn(png, file, cpng_write_bytes, cpng_flush);
    png_set_IHDR(png, info, header->width, header->height, 8, header->color_type, PNG_INTERLACE_NONE,
                 PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    if (header->color_type == PNG_COLOR_TYPE_PALETTE) png_set_PLTE(png, info, entries, colors);
    // Maps of labels and edges are flat areas, which zlib packs best as they are; photographs want a prediction.
    int photograph = header->color_type == PNG_COLOR_TYPE_RGB;
    png_set_filter(png, PNG_FILTER_TYPE_BASE,
                   photograph ? PNG_FILTER_SUB | PNG_FILTER_UP | PNG_FILTER_PAETH : PNG_FILTER_NONE);
    png_set_compression_level(png, compression);
    png_write_info(png, info);
    size_t stride = png_get_rowbytes(png, info);
    for (uint32_t y = 0; y < header->height; y++) png_write_row(png, pixels + y * stride);
    png_write_end(png, NULL);
  }
  png_destroy_write_struct(&png, &info);
  return outcome;
}

#endif

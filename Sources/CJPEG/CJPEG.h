#ifndef CJPEG_H
#define CJPEG_H

#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

// libjpeg reports errors with longjmp, which must not cross Swift frames. Each function here that enters libjpeg calls
// setjmp first and returns a status. Without the library's header the program builds all the same, and every call says
// that the library is missing.

enum cjpeg_status {
  CJPEG_DONE = 0,
  CJPEG_CORRUPT,      // the message is libjpeg's
  CJPEG_UNSUPPORTED,  // the message says what
  CJPEG_NO_LIBRARY,
};

typedef struct {
  int status;
  char message[208];
} cjpeg_outcome;

#if __has_include(<jpeglib.h>) && !defined(CJPEG_WITHOUT_LIBRARY)

#include <jerror.h>
#include <jpeglib.h>

typedef struct {
  struct jpeg_error_mgr base;  // the first member: libjpeg's pointer to it is a pointer to the whole
  jmp_buf jump;
  cjpeg_outcome outcome;
} cjpeg_errors;

static inline void cjpeg_fail(j_common_ptr info, int status, const char *message) {
  cjpeg_errors *errors = (cjpeg_errors *)info->err;
  errors->outcome.status = status;
  snprintf(errors->outcome.message, sizeof errors->outcome.message, "%s", message);
  longjmp(errors->jump, 1);
}

static inline void cjpeg_on_error(j_common_ptr info) {
  int code = info->err->msg_code;
  if (code == JERR_SOF_UNSUPPORTED) cjpeg_fail(info, CJPEG_UNSUPPORTED, "lossless or hierarchical coding");
  if (code == JERR_BAD_PRECISION) cjpeg_fail(info, CJPEG_UNSUPPORTED, "more than 8 bits a sample");
  if (code == JERR_CONVERSION_NOTIMPL) cjpeg_fail(info, CJPEG_UNSUPPORTED, "colors other than gray, RGB and YCbCr");
  char message[JMSG_LENGTH_MAX];
  info->err->format_message(info, message);
  cjpeg_fail(info, CJPEG_CORRUPT, message);
}

/// Where data is missing or wrong libjpeg warns and invents pixels: that is damage. Oddities that leave the pixels as they
/// are stay unmentioned.
static inline void cjpeg_on_message(j_common_ptr info, int level) {
  if (level >= 0) return;
  int code = info->err->msg_code;
  if (code != JWRN_EXTRANEOUS_DATA && code != JWRN_ADOBE_XFORM && code != JWRN_BOGUS_PROGRESSION &&
      code != JWRN_TOO_MUCH_DATA && code != JWRN_JFIF_MAJOR)
    cjpeg_on_error(info);
}

/// A small file may ask for a large image to be refined thousands of times.
static inline void cjpeg_on_progress(j_common_ptr info) {
  if (((j_decompress_ptr)info)->input_scan_number > 200) cjpeg_fail(info, CJPEG_UNSUPPORTED, "more than 200 scans");
}

/// Decodes a JPEG file in memory to 8-bit RGB, or reads its header alone if `pixels` is NULL.
///
/// `width` and `height` are outputs without `pixels`, and what the pixels have room for with them.
static inline cjpeg_outcome cjpeg_read(const uint8_t *bytes, size_t count, uint32_t *width, uint32_t *height,
                                       uint8_t *pixels) {
  struct jpeg_decompress_struct info;
  struct jpeg_progress_mgr progress;
  cjpeg_errors errors;
  memset(&errors, 0, sizeof errors);
  memset(&info, 0, sizeof info);
  info.err = jpeg_std_error(&errors.base);
  errors.base.error_exit = cjpeg_on_error;
  errors.base.emit_message = cjpeg_on_message;
  if (setjmp(errors.jump) != 0) {
    jpeg_destroy_decompress(&info);
    return errors.outcome;
  }
  jpeg_create_decompress(&info);
  memset(&progress, 0, sizeof progress);
  progress.progress_monitor = cjpeg_on_progress;
  info.progress = &progress;
  jpeg_mem_src(&info, (unsigned char *)bytes, (unsigned long)count);
  jpeg_read_header(&info, TRUE);
  if (info.arith_code) cjpeg_fail((j_common_ptr)&info, CJPEG_UNSUPPORTED, "arithmetic coding");
  if (info.jpeg_color_space == JCS_CMYK || info.jpeg_color_space == JCS_YCCK)
    cjpeg_fail((j_common_ptr)&info, CJPEG_UNSUPPORTED, "CMYK colors");
  if (pixels == NULL) {
    *width = info.image_width;
    *height = info.image_height;
  } else {
    info.out_color_space = JCS_RGB;
    info.dct_method = JDCT_ISLOW;
    jpeg_start_decompress(&info);
    if (info.output_width != *width || info.output_height != *height || info.output_components != 3)
      cjpeg_fail((j_common_ptr)&info, CJPEG_CORRUPT, "the header has changed");
    while (info.output_scanline < info.output_height) {
      JSAMPROW row = pixels + (size_t)info.output_scanline * info.output_width * 3;
      jpeg_read_scanlines(&info, &row, 1);
    }
    jpeg_finish_decompress(&info);
  }
  jpeg_destroy_decompress(&info);
  return errors.outcome;
}

#else

static inline cjpeg_outcome cjpeg_read(const uint8_t *bytes, size_t count, uint32_t *width, uint32_t *height,
                                       uint8_t *pixels) {
  (void)bytes, (void)count, (void)width, (void)height, (void)pixels;
  return (cjpeg_outcome){CJPEG_NO_LIBRARY, ""};
}

#endif

#endif

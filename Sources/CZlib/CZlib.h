#ifndef CZLIB_H
#define CZLIB_H

#include <stddef.h>
#include <stdint.h>

#include <zlib.h>

// zlib initializes its streams with macros, which Swift cannot import.

/// Inflates raw deflated data, as zip archives hold it.
///
/// Returns 1 if the data end exactly where they should and give exactly `target_count` bytes, otherwise 0. Nothing beyond
/// `target_count` bytes is ever written.
static inline int czlib_inflate(const uint8_t *source, size_t source_count, uint8_t *target, size_t target_count) {
  static const size_t most = (size_t)1 << 30;  // zlib counts in 32 bits
  z_stream stream = {0};
  if (inflateInit2(&stream, -MAX_WBITS) != Z_OK) return 0;
  uint8_t beyond;
  int status = Z_OK;
  do {
    size_t in = source_count < most ? source_count : most;
    size_t out = target_count < most ? target_count : most;
    stream.next_in = (Bytef *)source;
    stream.avail_in = (uInt)in;
    // With all bytes written, the end of the data may still have to be read.
    stream.next_out = target_count > 0 ? target : &beyond;
    stream.avail_out = target_count > 0 ? (uInt)out : 1;
    status = inflate(&stream, Z_NO_FLUSH);
    size_t taken = in - stream.avail_in;
    source += taken;
    source_count -= taken;
    if (target_count == 0) {
      if (stream.avail_out == 0) status = Z_DATA_ERROR;
    } else {
      size_t made = out - stream.avail_out;
      target += made;
      target_count -= made;
      if (taken == 0 && made == 0 && status == Z_OK) status = Z_DATA_ERROR;
    }
    if (target_count == 0 && source_count == 0 && status == Z_OK && taken == 0) status = Z_DATA_ERROR;
  } while (status == Z_OK);
  inflateEnd(&stream);
  return status == Z_STREAM_END && source_count == 0 && target_count == 0;
}

#endif

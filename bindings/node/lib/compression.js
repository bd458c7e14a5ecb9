'use strict';

/** The numbers of uWebSockets.js, which programs combine with `|`. */
const CONSTANTS = {
  DISABLED: 0,
  SHARED_COMPRESSOR: 1,
  SHARED_DECOMPRESSOR: 256,
  DEDICATED_COMPRESSOR: 248,
  DEDICATED_COMPRESSOR_3KB: 145,
  DEDICATED_COMPRESSOR_4KB: 146,
  DEDICATED_COMPRESSOR_8KB: 163,
  DEDICATED_COMPRESSOR_16KB: 180,
  DEDICATED_COMPRESSOR_32KB: 197,
  DEDICATED_COMPRESSOR_64KB: 214,
  DEDICATED_COMPRESSOR_128KB: 231,
  DEDICATED_COMPRESSOR_256KB: 248,
  DEDICATED_DECOMPRESSOR: 3840,
  DEDICATED_DECOMPRESSOR_512B: 2304,
  DEDICATED_DECOMPRESSOR_1KB: 2560,
  DEDICATED_DECOMPRESSOR_2KB: 2816,
  DEDICATED_DECOMPRESSOR_4KB: 3072,
  DEDICATED_DECOMPRESSOR_8KB: 3328,
  DEDICATED_DECOMPRESSOR_16KB: 3584,
  DEDICATED_DECOMPRESSOR_32KB: 3840,
};

/** Bits of the windows of both directions, 0 for shared ones; nothing without compression. */
function windows(compression) {
  if (compression === CONSTANTS.DISABLED) return {};
  const compressor = compression & 0xff;
  return {
    compressorBits: compressor <= 1 ? 0 : Math.max(9, compressor >> 4),
    decompressorBits: (compression & 0xf00) >> 8 <= 1 ? 0 : Math.max(9, (compression & 0xf00) >> 8),
  };
}

module.exports = { CONSTANTS, windows };

// Picture files written byte by byte from their specifications, so that tests do not judge a library by itself.
#pragma once
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

namespace chorus::testing {

using Bytes = std::vector<uint8_t>;

Bytes from_hex(std::string_view hex);
/// FNV-1a, 64 bits.
uint64_t hash_of(const Bytes& bytes);

struct PngKind {
  int type, depth;  ///< as in IHDR
};
inline constexpr PngKind kPngKinds[] = {{0, 1}, {0, 2}, {0, 4}, {0, 8}, {0, 16}, {2, 8}, {2, 16}, {3, 1},
                                        {3, 2}, {3, 4}, {3, 8}, {4, 8}, {4, 16}, {6, 8}, {6, 16}};

/// A PNG with unfiltered rows in stored deflate blocks; `pixels` is what a decoder should give: a byte per channel (grey of fewer bits
/// stretched to 0 … 255, indices as they are), 16-bit channels in the machine's order.
struct HandPng {
  Bytes file, pixels, palette;
};
HandPng make_png(PngKind kind, int width, int height, bool interlaced);
/// Puts another size into the header, with a right check sum.
void set_png_size(Bytes& file, uint32_t width, uint32_t height);
/// Recomputes the check sums of all chunks that lie inside the file.
void repair_png_sums(Bytes& file);

struct HandBmp {
  Bytes file, rgb;
};
HandBmp make_bmp(int bits, int width, int height, bool top_down);

/// Puts another size into the frame header of a JPEG.
void set_jpeg_size(Bytes& file, int width, int height);

/// "Exif\0\0" and a TIFF block whose first directory has three entries, the orientation among them.
Bytes make_exif(bool little_endian, int orientation);

inline Bytes from_hex(std::string_view hex) {
  const auto digit = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
  Bytes out;
  for (size_t i = 0; i + 1 < hex.size(); i += 2)
    out.push_back(static_cast<uint8_t>(digit(hex[i]) << 4 | digit(hex[i + 1])));
  return out;
}

inline uint64_t hash_of(const Bytes& bytes) {
  uint64_t hash = 0xcbf29ce484222325u;
  for (const uint8_t b : bytes) hash = (hash ^ b) * 0x100000001b3u;
  return hash;
}

inline uint32_t crc_of(const uint8_t* p, size_t n) {
  uint32_t crc = 0xffffffffu;
  for (size_t i = 0; i < n; ++i) {
    crc ^= p[i];
    for (int k = 0; k < 8; ++k) crc = crc & 1 ? crc >> 1 ^ 0xedb88320u : crc >> 1;
  }
  return ~crc;
}

inline void put32(Bytes& out, uint32_t v) {
  for (int shift = 24; shift >= 0; shift -= 8) out.push_back(static_cast<uint8_t>(v >> shift));
}

inline void set32(Bytes& out, size_t at, uint32_t v) {
  for (size_t i = 0; i < 4; ++i) out[at + i] = static_cast<uint8_t>(v >> (24 - 8 * i));
}

inline void put_chunk(Bytes& out, std::string_view name, const Bytes& body) {
  put32(out, static_cast<uint32_t>(body.size()));
  const size_t at = out.size();
  out.insert(out.end(), name.begin(), name.end());
  out.insert(out.end(), body.begin(), body.end());
  put32(out, crc_of(out.data() + at, out.size() - at));
}

/// RFC 1950 and 1951 with stored blocks.
inline Bytes stored_zlib(const Bytes& raw) {
  Bytes out = {0x78, 0x01};
  for (size_t at = 0; at < raw.size() || at == 0; at += 65535) {
    const size_t n = std::min<size_t>(65535, raw.size() - at);
    out.push_back(at + n >= raw.size() ? 1 : 0);
    for (const size_t v : {n, ~n}) {
      out.push_back(static_cast<uint8_t>(v));
      out.push_back(static_cast<uint8_t>(v >> 8));
    }
    out.insert(out.end(), raw.begin() + static_cast<int64_t>(at), raw.begin() + static_cast<int64_t>(at + n));
  }
  uint32_t a = 1, b = 0;
  for (const uint8_t v : raw) a = (a + v) % 65521, b = (b + a) % 65521;
  put32(out, b << 16 | a);
  return out;
}

inline int channels_of_type(int type) { return type == 2 ? 3 : type == 4 ? 2 : type == 6 ? 4 : 1; }

/// Some value for a channel, below 2^depth.
inline uint32_t value_at(int x, int y, int c, int depth) {
  return (static_cast<uint32_t>(x) * 2654435761u + static_cast<uint32_t>(y) * 40503u * 65537u +
          static_cast<uint32_t>(c) * 97531u * 4099u) >>
         (32 - depth);
}

/// The rows of the pixels x0, x0 + dx, … of the rows y0, y0 + dy, …, each behind filter type 0.
inline void put_rows(Bytes& raw, PngKind kind, int width, int height, int x0, int y0, int dx, int dy) {
  const int channels = channels_of_type(kind.type);
  if (x0 >= width) return;
  for (int y = y0; y < height; y += dy) {
    raw.push_back(0);
    uint32_t held = 0;
    int bits = 0;
    for (int x = x0; x < width; x += dx)
      for (int c = 0; c < channels; ++c) {
        const uint32_t v = value_at(x, y, c, kind.depth);
        if (kind.depth == 16) {
          raw.push_back(static_cast<uint8_t>(v >> 8));
          raw.push_back(static_cast<uint8_t>(v));
          continue;
        }
        held = held << kind.depth | v;
        bits += kind.depth;
        if (bits == 8) {
          raw.push_back(static_cast<uint8_t>(held));
          held = 0;
          bits = 0;
        }
      }
    if (bits > 0) raw.push_back(static_cast<uint8_t>(held << (8 - bits)));
  }
}

inline HandPng make_png(PngKind kind, int width, int height, bool interlaced) {
  HandPng out;
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x)
      for (int c = 0; c < channels_of_type(kind.type); ++c) {
        const uint32_t v = value_at(x, y, c, kind.depth);
        if (kind.depth == 16) {
          const auto wide = static_cast<uint16_t>(v);
          uint8_t two[2];
          std::memcpy(two, &wide, 2);
          out.pixels.insert(out.pixels.end(), two, two + 2);
        } else {
          out.pixels.push_back(static_cast<uint8_t>(kind.type == 0 ? v * 255 / ((1u << kind.depth) - 1) : v));
        }
      }
  out.file = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
  Bytes header;
  put32(header, static_cast<uint32_t>(width));
  put32(header, static_cast<uint32_t>(height));
  for (const int v : {kind.depth, kind.type, 0, 0, interlaced ? 1 : 0}) header.push_back(static_cast<uint8_t>(v));
  put_chunk(out.file, "IHDR", header);
  if (kind.type == 3) {
    for (int i = 0; i < 3 * (1 << kind.depth); ++i) out.palette.push_back(static_cast<uint8_t>(i * 37 + 11));
    put_chunk(out.file, "PLTE", out.palette);
  }
  Bytes raw;
  // PNG 8.2: the seven passes of Adam7.
  constexpr int kPasses[7][4] = {{0, 0, 8, 8}, {4, 0, 8, 8}, {0, 4, 4, 8}, {2, 0, 4, 4},
                                 {0, 2, 2, 4}, {1, 0, 2, 2}, {0, 1, 1, 2}};
  if (!interlaced) put_rows(raw, kind, width, height, 0, 0, 1, 1);
  for (const auto& pass : kPasses)
    if (interlaced) put_rows(raw, kind, width, height, pass[0], pass[1], pass[2], pass[3]);
  put_chunk(out.file, "IDAT", stored_zlib(raw));
  put_chunk(out.file, "IEND", {});
  return out;
}

inline void set_png_size(Bytes& file, uint32_t width, uint32_t height) {
  set32(file, 16, width);
  set32(file, 20, height);
  set32(file, 29, crc_of(file.data() + 12, 17));
}

inline void repair_png_sums(Bytes& file) {
  if (file.size() < 8 || file[1] != 'P') return;
  size_t at = 8;
  while (at + 12 <= file.size()) {
    const uint32_t size =
        uint32_t{file[at]} << 24 | uint32_t{file[at + 1]} << 16 | uint32_t{file[at + 2]} << 8 | file[at + 3];
    if (size > file.size() || at + 12 + size > file.size()) return;
    set32(file, at + 8 + size, crc_of(file.data() + at + 4, size + 4));
    at += 12 + size;
  }
}

inline HandBmp make_bmp(int bits, int width, int height, bool top_down) {
  HandBmp out;
  Bytes palette;
  if (bits == 8)
    for (int i = 0; i < 256; ++i)
      for (const int v : {i * 7, i * 3 + 5, 255 - i, 0}) palette.push_back(static_cast<uint8_t>(v));
  Bytes rows;
  const auto stored = [&](int y) {
    const size_t begin = rows.size();
    for (int x = 0; x < width; ++x) {
      const int v = (x * 41 + y * 59) & 255;
      if (bits == 8)
        rows.push_back(static_cast<uint8_t>(v));
      else
        for (int c = 0; c < bits / 8; ++c) rows.push_back(static_cast<uint8_t>(v * (c + 1)));
    }
    while ((rows.size() - begin) % 4 != 0) rows.push_back(0);
  };
  for (int i = 0; i < height; ++i) stored(top_down ? i : height - 1 - i);
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x)
      for (int c = 2; c >= 0; --c) {
        const int v = (x * 41 + y * 59) & 255;
        out.rgb.push_back(bits == 8 ? palette[static_cast<size_t>(v * 4 + c)] : static_cast<uint8_t>(v * (c + 1)));
      }
  const auto put = [&](uint32_t v, int bytes) {
    for (int i = 0; i < bytes; ++i) out.file.push_back(static_cast<uint8_t>(v >> (8 * i)));
  };
  const auto start = static_cast<uint32_t>(54 + palette.size());
  out.file = {'B', 'M'};
  put(start + static_cast<uint32_t>(rows.size()), 4);
  put(0, 4);
  put(start, 4);
  put(40, 4);
  put(static_cast<uint32_t>(width), 4);
  put(static_cast<uint32_t>(top_down ? -height : height), 4);
  put(1, 2);
  put(static_cast<uint32_t>(bits), 2);
  for (int i = 0; i < 6; ++i) put(0, 4);
  out.file.insert(out.file.end(), palette.begin(), palette.end());
  out.file.insert(out.file.end(), rows.begin(), rows.end());
  return out;
}

inline void set_jpeg_size(Bytes& file, int width, int height) {
  for (size_t i = 2; i + 9 < file.size();) {
    if (file[i] != 0xff) return;
    const uint8_t marker = file[i + 1];
    if (marker >= 0xc0 && marker <= 0xc2) {
      file[i + 5] = static_cast<uint8_t>(height >> 8);
      file[i + 6] = static_cast<uint8_t>(height);
      file[i + 7] = static_cast<uint8_t>(width >> 8);
      file[i + 8] = static_cast<uint8_t>(width);
      return;
    }
    i += 2 + static_cast<size_t>(file[i + 2] << 8 | file[i + 3]);
  }
}

inline Bytes make_exif(bool little, int orientation) {
  Bytes out = {'E', 'x', 'i', 'f', 0, 0};
  const auto put = [&](uint32_t v, int bytes) {
    for (int i = 0; i < bytes; ++i) out.push_back(static_cast<uint8_t>(v >> (8 * (little ? i : bytes - 1 - i))));
  };
  out.insert(out.end(), 2, little ? 'I' : 'M');
  put(42, 2);
  put(8, 4);
  put(3, 2);
  for (const uint32_t tag : {0x010fu, 0x0112u, 0x0128u}) {
    put(tag, 2);
    put(3, 2);
    put(1, 4);
    put(tag == 0x0112u ? static_cast<uint32_t>(orientation) : 2u, 2);
    put(0, 2);
  }
  return out;
}

}  // namespace chorus::testing

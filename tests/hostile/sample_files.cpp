// Hostile archives, arrays and pictures, and files of kinds that are not read at all.
#include "hostile/samples.h"

#include "data/image/by_hand.h"
#include "data/image/formula_files.h"
#include "data/image/samples.h"

#include <zlib.h>

#include <cstring>
#include <stdexcept>

namespace chorus::testing {
namespace {

using Samples = std::vector<HostileSample>;

void put_little(std::string& out, uint64_t v, int width) {
  for (int i = 0; i < width; ++i) out.push_back(static_cast<char>(v >> (8 * i)));
}

/// One member of a zip: how it is packed, and what is said of it.
struct Member {
  std::string name, packed;
  uint32_t size = 0, crc = 0;
  int method = 8;
  size_t same_as = SIZE_MAX;   ///< shares the bytes of another one
};

std::string zip_of(const std::vector<Member>& members) {
  std::string out, directory;
  std::vector<uint64_t> places;
  for (const Member& m : members) {
    places.push_back(m.same_as == SIZE_MAX ? out.size() : places[m.same_as]);
    std::string head;
    put_little(head, 20, 2);
    put_little(head, 0, 2);
    put_little(head, static_cast<uint64_t>(m.method), 2);
    put_little(head, 0, 4);
    put_little(head, m.crc, 4);
    put_little(head, m.same_as == SIZE_MAX ? m.packed.size() : members[m.same_as].packed.size(), 4);
    put_little(head, m.size, 4);
    put_little(head, m.name.size(), 2);
    put_little(head, 0, 2);
    if (m.same_as == SIZE_MAX) out += "PK\x03\x04" + head + m.name + m.packed;
    directory += "PK\x01\x02" + std::string("\x14\0", 2) + head + std::string(10, '\0');
    put_little(directory, places.back(), 4);
    directory += m.name;
  }
  const uint64_t begin = out.size();
  out += directory + std::string("PK\x05\x06\0\0\0\0", 8);
  put_little(out, members.size() & 0xffff, 2);
  put_little(out, members.size() & 0xffff, 2);
  put_little(out, directory.size(), 4);
  put_little(out, begin, 4);
  put_little(out, 0, 2);
  return out;
}

/// A raw deflate (or zlib) stream of so many zeros.
std::string zeros_packed(size_t count, int window) {
  z_stream z{};
  if (deflateInit2(&z, 1, Z_DEFLATED, window, 9, Z_DEFAULT_STRATEGY) != Z_OK) throw std::runtime_error("deflateInit2");
  const std::string block(size_t{1} << 20, '\0');
  std::string out, room(1 << 16, '\0');
  for (size_t done = 0; done < count || z.avail_in > 0;) {
    if (z.avail_in == 0) {
      const size_t n = std::min(block.size(), count - done);
      z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(block.data()));
      z.avail_in = static_cast<uInt>(n);
      done += n;
    }
    z.next_out = reinterpret_cast<Bytef*>(room.data());
    z.avail_out = static_cast<uInt>(room.size());
    deflate(&z, Z_NO_FLUSH);
    out.append(room, 0, room.size() - z.avail_out);
  }
  for (int status = Z_OK; status != Z_STREAM_END;) {
    z.next_out = reinterpret_cast<Bytef*>(room.data());
    z.avail_out = static_cast<uInt>(room.size());
    status = deflate(&z, Z_FINISH);
    out.append(room, 0, room.size() - z.avail_out);
  }
  deflateEnd(&z);
  return out;
}

std::string npy(std::string dictionary, const std::string& elements = {}) {
  while ((10 + dictionary.size() + 1) % 64 != 0) dictionary.push_back(' ');
  dictionary.push_back('\n');
  std::string out("\x93NUMPY\x01\0", 8);
  put_little(out, dictionary.size(), 2);
  return out + dictionary + elements;
}

std::string text_of(const Bytes& bytes) { return {bytes.begin(), bytes.end()}; }
Bytes sample(std::string_view name) {
  for (const PictureSample& s : kPictureSamples) {
    if (name == s.name) return from_hex(s.hex);
  }
  throw std::runtime_error("no such sample");
}

std::string jpeg_bomb() {
  Bytes file = sample("jpeg colours");
  set_jpeg_size(file, 65500, 65500);
  return text_of(file);
}

/// A progressive JPEG whose last scan stands in it a thousand times: each is work over the whole picture.
std::string scans_bomb() {
  Bytes file = sample("jpeg progressive");
  size_t last = 0;
  for (size_t i = 0; i + 1 < file.size(); ++i) {
    if (file[i] == 0xff && file[i + 1] == 0xda) last = i;
  }
  const Bytes scan(file.begin() + static_cast<std::ptrdiff_t>(last), file.end() - 2);
  file.resize(file.size() - 2);
  for (int i = 0; i < 1000; ++i) file.insert(file.end(), scan.begin(), scan.end());
  file.insert(file.end(), {0xff, 0xd9});
  return text_of(file);
}

std::string png_bomb(uint32_t side) {
  Bytes file = make_png({2, 8}, 3, 3, false).file;
  set_png_size(file, side, side);
  return text_of(file);
}

/// A PNG whose text chunk unpacks to a quarter of a gigabyte, and whose pixels are missing.
std::string png_text_bomb() {
  Bytes file = make_png({2, 8}, 3, 3, false).file;
  file.resize(33);   // to the end of IHDR
  const std::string packed = zeros_packed(size_t{256} << 20, 15);
  Bytes body = {'a', 0, 0};
  body.insert(body.end(), packed.begin(), packed.end());
  put_chunk(file, "zTXt", body);
  put_chunk(file, "IEND", {});
  return text_of(file);
}

std::string tiff_bomb() {
  std::string file = text_of(from_hex(kTiffFiles[1].hex));
  for (const char* tag : {"\x00\x01\x03\x00\x01\x00\x00\x00", "\x01\x01\x03\x00\x01\x00\x00\x00"}) {  // width, height
    const size_t at = file.find(std::string(tag, 8));
    if (at == std::string::npos) throw std::runtime_error("no such tag");
    file.replace(at + 8, 2, "\xff\xff");
  }
  return file;
}

std::string webp_bomb() {
  std::string file("RIFF\0\0\0\0WEBPVP8L", 16);
  put_little(file, 13, 4);
  file += "\x2f";
  put_little(file, 0x3fff | 0x3fffu << 14, 4);  // 16384 x 16384
  file += std::string(8, '\0');
  file.replace(4, 1, std::string(1, static_cast<char>(file.size() - 8)));
  return file;
}

std::string bmp_bomb() {
  Bytes file = make_bmp(24, 3, 3, false).file;
  for (const size_t at : {18u, 22u}) {
    const uint32_t side = 60000;
    std::memcpy(file.data() + at, &side, 4);
  }
  return text_of(file);
}

std::string jpeg2000_bomb(size_t at, uint8_t value) {
  Bytes file = from_hex(kJpeg2000Files[1].hex);
  file[at] = value;
  return text_of(file);
}

}  // namespace

Samples hdf5_files() {
  return {{"external_storage.h5", std::string("\x89HDF\r\n\x1a\n", 8) + std::string(504, '\0'), "external_storage.h5"}};
}

Samples shape_bombs() {
  return {{"shape.npy", npy("{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999,), }"), "shape"},
          {"shape_overflow.npy",
           npy("{'descr': '<f8', 'fortran_order': False, 'shape': (4294967296, 4294967296, 2), }"), ""},
          {"shape_in_image.chorus",
           std::string("CHORUSG\n\x01\0\0\0\0\0\0\0", 16) +
               std::string("\x40\0\0\0\0\0\0\0\xff\xff\xff\xff\0\0\0\0", 16) + std::string(4096, '\xff'),
           "shape_in_image.chorus"}};
}

Samples zip_bombs() {
  const std::string packed = zeros_packed(size_t{200} << 20, -15);
  const std::string header = npy("{'descr': '|u1', 'fortran_order': False, 'shape': (209715072,), }");
  std::vector<Member> shared = {{"a.npy", packed, 100u << 20}};
  for (int i = 0; i < 20; ++i) shared.push_back({"b" + std::to_string(i) + ".npy", "", 100u << 20, 0, 8, 0});
  std::vector<Member> many;
  for (int i = 0; i < 60000; ++i) many.push_back({"m", "", 0, 0, 0});
  Member locked{"a.npy", header, static_cast<uint32_t>(header.size()), 0, 99};
  return {{"bomb.npz", zip_of({{"a.npy", packed, 200u << 20}}), "bomb.npz"},
          {"bomb_that_lies.npz", zip_of({{"a.npy", packed, 1000}}), "a.npy"},
          {"overlap.npz", zip_of(shared), "overlap.npz"},
          {"entries.npz", zip_of(many), ""},
          {"method.npz", zip_of({locked}), "a.npy"},
          {"cut.npz", zip_of({{"a.npy", packed, 1000}}).substr(0, 5000), "cut.npz"}};
}

Samples archives() {
  std::string tar = "../../victim";
  tar.resize(156, '\0');
  tar += "2/etc/passwd";  // a symbolic link
  tar.resize(257, '\0');
  tar += "ustar";
  tar.resize(1024, '\0');
  return {{"links.tar", tar, "links.tar"},
          {"parent.zip", zip_of({{"../../victim.txt", "text", 4, 0, 0}}), "victim.txt"}};
}

Samples pickles() {
  const std::string pickle(
      "\x80\x02"
      "cposix\nsystem\nq\x00X\x04\x00\x00\x00trueq\x01\x85q\x02Rq\x03.",
      36);
  return {{"pickle.onnx", pickle, "pickle.onnx"},
          {"disguised.bin", pickle, "disguised.bin"},
          {"object.npy", npy("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }", pickle), "objects"},
          {"torch.pt", zip_of({{"archive/data.pkl", pickle, static_cast<uint32_t>(pickle.size()), 0, 0}}), "data.pkl"}};
}

Samples code_in_files() {
  const std::string lambda = R"({"class_name": "Lambda"})";
  return {
      {"lambda.keras", zip_of({{"config.json", lambda, static_cast<uint32_t>(lambda.size()), 0, 0}}), "config.json"},
      {"script.py", "import os; os.system('true')", "script.py"}};
}

Samples picture_bombs() {
  return {{"bomb.jpg", jpeg_bomb(), "bomb.jpg"},
          {"scans.jpg", scans_bomb(), "scans"},
          {"bomb.png", png_bomb(60000), "bomb.png"},
          {"text.png", png_text_bomb(), "text.png"},
          {"bomb.webp", webp_bomb(), "bomb.webp"},
          {"bomb.tiff", tiff_bomb(), "bomb.tiff"},
          {"bomb.j2k", jpeg2000_bomb(10, 0x7f), "bomb.j2k"},
          {"tiles.j2k", jpeg2000_bomb(13, 0x02), "tiles"},
          {"bomb.bmp", bmp_bomb(), "bomb.bmp"},
          {"bomb.ppm", "P6\n60000 60000\n255\n", "bomb.ppm"}};
}

}  // namespace chorus::testing

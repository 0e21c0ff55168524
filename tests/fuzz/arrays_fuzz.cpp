// NumPy's files: .npz (a zip) and .npy.
#include "fuzz/target.h"

#include <chorus/error.h>
#include <format/npz/npz.h>
#include <format/npz/zip.h>

#include <memory>

namespace chorus::fuzz {
namespace {

NpzLimits limits() {
  NpzLimits limits;
  limits.array_bytes = int64_t{64} << 20;
  limits.entries = 4096;
  return limits;
}

void run(std::string_view bytes) {
  const auto owner = std::make_shared<const std::string>(bytes);
  if (!bytes.starts_with("PK")) {
    static_cast<void>(read_npy(*owner, owner, limits()).str(4));
    return;
  }
  for (const auto& [name, value] : read_npz(*owner, owner, limits())) static_cast<void>(value.str(4));
}

std::vector<Seed> seeds() {
  const NamedValues values = {{"floats", Value::of<float>(Shape{2, 3}, {1.f, -2.f, 0.5f, 0.f, 3.f, 4.f})},
                              {"numbers", Value::of<int64_t>(Shape{3}, {-3, 0, int64_t{1} << 40})},
                              {"truth", Value::scalar<bool>(true)},
                              {"words", Value::strings(Shape{2}, std::vector<std::string>{"one", "two"})}};
  std::vector<Seed> found = {{"stored", write_npz_bytes(values)},
                             {"packed", write_npz_bytes(values, Packing::deflate)}};
  for (const auto& [name, value] : values) {
    const std::string one = write_npz_bytes({{name, value}});
    found.push_back({name, std::string(zip::directory(one, 1, 1 << 20).at(0).packed)});
  }
  std::string big = found[2].bytes;   // the other order of bytes and of axes
  big.replace(big.find("'<f4'"), 5, "'>f4'").replace(big.find("False"), 5, "True ");
  found.push_back({"turned", std::move(big)});
  return found;
}

// Inside the members, with right checksums: what lies behind the zip.
std::string change(std::string_view bytes, std::string_view other, Random& random) {
  std::string how;
  if (!bytes.starts_with("PK")) return change_json(bytes, other, random);   // the header is a text of the same kind
  try {
    const std::vector<zip::Member> members = zip::directory(bytes, 64, 1 << 20);
    std::string out;
    zip::Writer writer([&](std::string_view part) { out += part; });
    const uint64_t chosen = random.below(members.size());
    for (size_t i = 0; i < members.size(); ++i) {
      const zip::Member& m = members[i];
      std::string content = m.deflated ? zip::inflate(m) : std::string(m.packed);
      if (i == chosen)
        content = random.chance(50) ? change_json(content, other, random)
                                    : testing::damage_bytes(content, other, random, how);
      writer.add(random.chance(95) ? m.name : "../../" + m.name, {content}, random.chance(50));
    }
    writer.finish();
    return out;
  } catch (const Error&) {
    return testing::damage_bytes(std::string(bytes), other, random, how);
  }
}

}  // namespace

const Target arrays{"arrays", "NumPy's files", [](std::string_view bytes) { bounded(run, bytes); }, seeds, change, 2};
}  // namespace chorus::fuzz

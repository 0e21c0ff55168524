// chorus-gen [--check] DIR: writes the files that follow from the operator table and docs/engine_matrix.md, or says which are stale.
#include "gen.h"

#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>

namespace {

namespace fs = std::filesystem;

std::string read(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// Of the tree that gen/ lies in, else of the working directory.
chorus::gen::Matrix read_matrix(const fs::path& root) {
  const fs::path name = fs::path("docs") / "engine_matrix.md";
  const fs::path beside = fs::absolute(root).lexically_normal() / ".." / name;
  return chorus::gen::Matrix::parse(read(fs::exists(beside) ? beside : name));
}

int check(const fs::path& root, const chorus::gen::Files& files) {
  int stale = 0;
  for (const auto& [path, text] : files) {
    if (fs::exists(root / path) && read(root / path) == text) continue;
    std::fprintf(stderr, "stale: %s\n", path.c_str());
    ++stale;
  }
  const fs::path pages = root / "docs" / "operators";
  if (fs::exists(pages)) {
    for (const auto& entry : fs::directory_iterator(pages)) {
      const std::string path = "docs/operators/" + entry.path().filename().string();
      if (files.count(path) > 0) continue;
      std::fprintf(stderr, "of no operator: %s\n", path.c_str());
      ++stale;
    }
  }
  if (stale > 0)
    std::fprintf(stderr,
                 "%d files do not follow from the operator table and docs/engine_matrix.md; run the target gen\n",
                 stale);
  return stale > 0 ? 1 : 0;
}

int write(const fs::path& root, const chorus::gen::Files& files) {
  const fs::path pages = root / "docs" / "operators";
  if (fs::exists(pages)) {
    for (const auto& entry : fs::directory_iterator(pages)) {
      if (files.count("docs/operators/" + entry.path().filename().string()) == 0) fs::remove(entry.path());
    }
  }
  for (const auto& [path, text] : files) {
    if (fs::exists(root / path) && read(root / path) == text) continue;  // keeps the time: nothing is compiled again
    fs::create_directories((root / path).parent_path());
    std::ofstream out(root / path, std::ios::binary);
    out << text;
    if (!out.flush()) {
      std::fprintf(stderr, "cannot write %s\n", (root / path).c_str());
      return 1;
    }
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const bool checks = argc == 3 && std::strcmp(argv[1], "--check") == 0;
  if (argc != 2 && !checks) {
    std::fprintf(stderr, "usage: chorus-gen [--check] DIR\n");
    return 2;
  }
  try {
    chorus::gen::Files files;
    chorus::gen::add_api(files);
    chorus::gen::add_docs(files, read_matrix(argv[argc - 1]));
    return checks ? check(argv[2], files) : write(argv[1], files);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
  }
}

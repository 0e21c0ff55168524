// Runs the built `chorus` command.
#pragma once
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

namespace chorus::testing {

struct Done {
  int status = -1;
  std::string out, err;
};

inline std::filesystem::path scratch() {
  static const std::filesystem::path folder = [] {
    const auto path = std::filesystem::temp_directory_path() / ("chorus_command_" + std::to_string(getpid()));
    std::filesystem::create_directories(path);
    return path;
  }();
  return folder;
}

inline std::string text_of(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

/// `arguments` as for a shell, in the scratch folder; `before`: settings of environment variables.
inline Done chorus_command(const std::string& arguments, const std::string& before = "") {
  const auto out = scratch() / "stdout", err = scratch() / "stderr";
  const std::string line = "cd '" + scratch().string() + "' && " + before + " timeout 100 '" CHORUS_COMMAND "' " +
                           arguments + " >'" + out.string() + "' 2>'" + err.string() + "'";
  const int status = std::system(line.c_str());
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, text_of(out), text_of(err)};
}

}  // namespace chorus::testing

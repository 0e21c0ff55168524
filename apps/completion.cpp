// chorus completion: a script that lets a shell complete sub-commands and options, made from the commands themselves.
#include "command.h"

#include <cstdio>
#include <memory>

namespace chorus::app {
namespace {

struct Words {
  std::string path;      // "task ocr"
  std::string words;     // what may follow
};

void collect(const Arguments& command, const std::string& path, std::vector<Words>& list) {
  Words entry{path, ""};
  const auto add = [&](const std::string& word) { entry.words += (entry.words.empty() ? "" : " ") + word; };
  for (const Arguments& sub : command.commands()) add(sub.name());
  for (const std::string& name : command.option_names()) add(name);
  list.push_back(entry);
  for (const Arguments& sub : command.commands())
    collect(sub, path.empty() ? sub.name() : path + " " + sub.name(), list);
}

void print_bash(const std::vector<Words>& list) {
  std::printf(
      "_chorus() {\n  local path=\"\" word i\n  for ((i = 1; i < COMP_CWORD; i++)); do\n    "
      "word=\"${COMP_WORDS[i]}\"\n    case \"$path $word\" in\n");
  for (const Words& w : list) {
    if (!w.path.empty())
      std::printf("      \"%s%s\") path=\"%s\" ;;\n", w.path.find(' ') == std::string::npos ? " " : "", w.path.c_str(),
                  w.path.c_str());
  }
  std::printf("    esac\n  done\n  local words=\"\"\n  case \"$path\" in\n");
  for (const Words& w : list) std::printf("    \"%s\") words=\"%s\" ;;\n", w.path.c_str(), w.words.c_str());
  std::printf(
      "  esac\n  COMPREPLY=($(compgen -W \"$words\" -- \"${COMP_WORDS[COMP_CWORD]}\"))\n"
      "  [[ ${#COMPREPLY[@]} -eq 0 ]] && COMPREPLY=($(compgen -f -- \"${COMP_WORDS[COMP_CWORD]}\"))\n}\n"
      "complete -o filenames -F _chorus chorus\n");
}

}  // namespace

void add_completion(Arguments app, Outcome&) {
  Arguments sub = app.command("completion", "prints a script that lets a shell complete this command");
  auto shell = std::make_shared<std::string>();
  sub.option("SHELL", *shell, "bash, or zsh (by its bashcompinit)").required().one_of({"bash", "zsh"});
  sub.footer("Example:\n  source <(chorus completion bash)");
  sub.action([shell, app] {
    std::vector<Words> list;
    collect(app, "", list);
    if (*shell == "zsh") std::printf("autoload -U +X bashcompinit && bashcompinit\n");
    print_bash(list);
  });
}

}  // namespace chorus::app

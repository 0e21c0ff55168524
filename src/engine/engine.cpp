#include <chorus/error.h>
#include <core/clock.h>
#include <engine/engine.h>

namespace chorus {

Code StopToken::state() const noexcept {
  const int why = why_.load(std::memory_order_relaxed);
  if (why != 0) return static_cast<Code>(why);
  const int64_t deadline = deadline_ns_.load(std::memory_order_relaxed);
  return deadline != 0 && now_ns() > deadline ? Code::timeout : Code::ok;
}

std::shared_ptr<Program> Engine::load(std::string_view, std::shared_ptr<const void>, const CompileOptions&) {
  throw Error(Code::unsupported, std::string(name()) + ": programs of this engine cannot be stored");
}

}  // namespace chorus

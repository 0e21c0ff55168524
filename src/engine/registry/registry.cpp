#include <engine/engine.h>
#include <engine/native/native_engine.h>

namespace chorus {

std::vector<EngineInfo> list_engines() { return {{"native", native::make_native_engine()->version(), true, ""}}; }

std::shared_ptr<Engine> open_engine(std::string_view name) {
  if (name == "native") return native::make_native_engine();
  throw Error(Code::not_found, "engine \"" + std::string(name) + "\" is not known", {}, "known engines: native");
}

}  // namespace chorus

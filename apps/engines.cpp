// chorus engines, chorus devices: what can compute here.
#include "command.h"

#include <chorus/device.h>
#include <engine/engine.h>
#include <nlohmann/json.hpp>

#include <cstdio>
#include <memory>

namespace chorus::app {
namespace {

using Json = nlohmann::ordered_json;

void print(const Json& json) { std::printf("%s\n", json.dump(1, ' ', false, Json::error_handler_t::replace).c_str()); }

void engines(bool as_json) {
  Json list = Json::array();
  if (!as_json) std::printf("%-14s %-10s %-8s %s\n", "engine", "version", "state", "reason");
  for (const EngineInfo& e : list_engines()) {
    if (as_json)
      list.push_back({{"name", e.name}, {"version", e.version}, {"available", e.available}, {"reason", e.reason}});
    else
      std::printf("%-14s %-10s %-8s %s\n", e.name.c_str(), e.available ? e.version.c_str() : "-",
                  e.available ? "ready" : "absent", e.reason.c_str());
  }
  if (as_json) print(list);
}

void devices(bool as_json) {
  Json list = Json::array();
  if (!as_json) std::printf("%-8s %-7s %s\n", "device", "state", "description");
  for (const api::DeviceInfo& d : api::Devices()) {
    if (as_json) {
      list.push_back({{"name", d.name},
                      {"state", d.ready ? "ready" : "absent"},
                      {"reason", d.reason},
                      {"description", d.description},
                      {"memory_bytes", d.memory_bytes},
                      {"processors", d.processors},
                      {"features", d.features}});
      continue;
    }
    std::string features;
    for (const std::string& f : d.features) features += " " + f;
    std::printf("%-8s %-7s %s%s\n", d.name.c_str(), d.ready ? "ready" : "absent",
                d.ready ? d.description.c_str() : d.reason.c_str(), features.c_str());
  }
  if (as_json) print(list);
}

}  // namespace

void add_engines(Arguments app, Outcome&) {
  Arguments sub = app.command("engines", "the engines that can compute, and why others cannot");
  auto json = std::make_shared<bool>(false);
  sub.flag("--json", *json, "as JSON: name, version, available, reason");
  sub.footer("Example:\n  chorus engines --json");
  sub.action([json] { engines(*json); });
}

void add_devices(Arguments app, Outcome&) {
  Arguments sub = app.command("devices", "the devices of this machine");
  auto json = std::make_shared<bool>(false);
  sub.flag("--json", *json, "as JSON: name, state, reason, memory, instruction sets");
  sub.footer("Example:\n  chorus devices --json");
  sub.action([json] { devices(*json); });
}

}  // namespace chorus::app

// The C interface: sizes and places that plug-ins of today rely on, and tables that must be refused.
#include <chorus/engine_abi.h>
#include <chorus/error.h>
#include <engine/plugin/plugin.h>
#include <gtest/gtest.h>

#include <cstring>
#include <string>

#include "engine/plugins/small.h"

namespace chorus {
namespace {

// 64-bit layout; a change of any of these is a new major version.
static_assert(sizeof(ch_str) == 16 && sizeof(ch_device) == 16 && sizeof(ch_error) == 808 && sizeof(ch_buffer) == 64);
static_assert(sizeof(ch_value) == 128 && offsetof(ch_value, dims) == 16 && offsetof(ch_value, buffer) == 32 &&
              offsetof(ch_value, items) == 112);
static_assert(offsetof(ch_engine_api, open) == 56 && offsetof(ch_engine_api, describe) == 120 &&
              offsetof(ch_engine_api, wants) == 184 && offsetof(ch_node, captured) == 96);
static_assert(static_cast<int>(Code::ok) == CH_OK && static_cast<int>(Code::internal) == CH_INTERNAL &&
              static_cast<int>(Code::type) == CH_TYPE);

std::string refusal(const ch_engine_api* table, std::string_view name = "small") {
  try {
    plugin::open_table(table, name, "", "test table");
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::unavailable);
    EXPECT_NE(error.where().find("test table"), std::string::npos);
    return error.message();
  }
  return "";
}

ch_engine_api good() {
  ch_engine_api api;
  small_table(&api, "small");
  return api;
}

TEST(Abi, GoodTableOpens) {
  const ch_engine_api api = good();
  const auto engine = plugin::open_table(&api, "small", "", "test table");
  EXPECT_EQ(engine->name(), "small");
  EXPECT_EQ(engine->version(), "0.1");
}

TEST(Abi, WrongTablesAreRefused) {
  EXPECT_NE(refusal(nullptr).find("cannot work"), std::string::npos);
  ch_engine_api api = good();
  api.major = 2;
  EXPECT_NE(refusal(&api).find("2.2"), std::string::npos);
  api = good();
  api.size = 40;
  EXPECT_NE(refusal(&api).find("40 bytes"), std::string::npos);
  api = good();
  api.size = 0xFFFFFFFF;
  EXPECT_NE(refusal(&api).find("4294967295 bytes"), std::string::npos);
  api = good();
  api.size = offsetof(ch_engine_api, memory);   // says minor 1, has less
  api.minor = 1;
  EXPECT_NE(refusal(&api).find("instead of"), std::string::npos);
  api = good();
  api.size = offsetof(ch_engine_api, wants);   // says minor 2, has less
  EXPECT_NE(refusal(&api).find("instead of"), std::string::npos);
  api = good();
  api.name.n = UINT64_MAX;
  EXPECT_NE(refusal(&api).find("name has"), std::string::npos);
  api = good();
  EXPECT_NE(refusal(&api, "other").find("calls itself \"small\""), std::string::npos);
}

TEST(Abi, EveryRequiredFunctionIsMissed) {
  for (size_t at = offsetof(ch_engine_api, open); at < offsetof(ch_engine_api, describe); at += sizeof(void*)) {
    ch_engine_api api = good();
    std::memset(reinterpret_cast<char*>(&api) + at, 0, sizeof(void*));
    EXPECT_NE(refusal(&api).find("missing"), std::string::npos) << "offset " << at;
  }
}

}  // namespace
}  // namespace chorus

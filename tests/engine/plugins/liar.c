/* A plug-in whose answers are wrong in the way that the option more_json names. */
#include "small.h"

const ch_engine_api* chorus_engine_v1(void) {
  static ch_engine_api api;
  small_table(&api, "liar");
  return &api;
}

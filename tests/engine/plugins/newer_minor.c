/* A plug-in of a minor that does not exist yet: a longer table. */
#include "small.h"

const ch_engine_api* chorus_engine_v1(void) {
  static struct {
    ch_engine_api api;
    void* later[8];
  } table;
  small_table(&table.api, "newer_minor");
  table.api.size = sizeof table;
  table.api.minor = CH_ABI_MINOR + 7;
  memset(table.later, 0xA5, sizeof table.later);
  return &table.api;
}

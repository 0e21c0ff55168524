/* A plug-in of minor 0: its table ends before what minor 1 added, and what lies behind it is not a table. */
#include "small.h"

const ch_engine_api* chorus_engine_v1(void) {
  static union {
    ch_engine_api api;
    unsigned char bytes[sizeof(ch_engine_api)];
  } table;
  small_table(&table.api, "older_minor");
  table.api.size = offsetof(ch_engine_api, describe);
  table.api.minor = 0;
  memset(table.bytes + table.api.size, 0xA5, sizeof table.bytes - table.api.size);
  return &table.api;
}

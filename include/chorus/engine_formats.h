/* Services of the host for engines that take whole models in a format of their own, by name from ch_host.extension. Null there: the host
 * is older, or has none of them. C11; from C++: C++17 or later. */
#pragma once
#include <chorus/engine_abi.h>

#ifdef __cplusplus
extern "C" {
#endif

/* "export_sized": the graph as a file of `format` for these sizes of its inputs (values without data), in pieces; formats whose
   nets have fixed sizes. "ncnn": lines of text, then the two files:
     in INDEX BLOB ROWS EXTENT...   an input of the net: of the graph's input INDEX; ROWS > 0: 32-bit row numbers below it, else 32-bit floats
     out BLOB RANK SIZE... EXTENT.. an output, in the graph's order: the sizes of the tensor, the extents of the blob
     param BYTES                    followed by a line's end and that many bytes, then
     weights BYTES                  likewise, to the end
   "format_claims": which nodes the format can hold, with a sentence for each it cannot; sizes that are open are assumed. */
typedef ch_code (*ch_export_sized)(const ch_graph*, ch_str format, const ch_value* const* inputs, uint32_t n, ch_sink,
                                   void* user, ch_error*);
typedef ch_code (*ch_format_claims)(const ch_graph*, ch_str format, ch_claim* const* claims, uint32_t n, ch_error*);

#ifdef __cplusplus
}
#endif

// Graphs in another engine's own format, for given sizes: the services behind ch_host.extension.
#pragma once
#include <chorus/engine_formats.h>

namespace chorus::plugin {

/// "export_sized": a ch_export_sized. "format_claims": a ch_format_claims.
const void* conversion(ch_str name) noexcept;

}  // namespace chorus::plugin

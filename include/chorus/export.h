// What leaves the shared library: CHORUS_API marks the public API, everything else is hidden.
#pragma once
#define CHORUS_API __attribute__((visibility("default")))

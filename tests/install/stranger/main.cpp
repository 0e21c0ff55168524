// A user's program: includes the installed headers, calls the library, catches an error that crosses its boundary.
#include <chorus/error.h>
#include <chorus/shape.h>

#include <cstdio>

int main() {
  chorus::Shape shape{2, 3, 4};
  if (shape.numel() != 24 || shape.str() != "[2, 3, 4]") {
    std::fprintf(stderr, "shape %s has %lld elements\n", shape.str().c_str(), static_cast<long long>(shape.numel()));
    return 1;
  }
  try {
    chorus::Shape negative{2, -3};
  } catch (const chorus::Error& error) {
    return error.code() == chorus::Code::shape ? 0 : 1;
  }
  std::fprintf(stderr, "a negative dimension was accepted\n");
  return 1;
}

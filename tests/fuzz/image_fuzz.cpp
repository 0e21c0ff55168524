// The binary image (.chorus): bytes to a graph that can be saved again, compiled and run.
#include "fuzz/models.h"
#include "hostile/drive.h"

#include <graph/image.h>
#include <graph/verify.h>

#include <stdexcept>

namespace chorus::fuzz {
namespace {

void run(std::string_view bytes) {
  const auto owner = std::make_shared<const std::string>(bytes);
  ImageLimits limits;
  limits.nodes = limits.values = 1 << 16;
  const Model model = load_image(*owner, owner, limits);
  verify(*model.graph);
  const std::string again = save_image_bytes(model);
  if (save_image_bytes(load_image(again, nullptr)) != again)
    throw std::logic_error("an image changes when it is saved");
  static_cast<void>(testing::drive_image(again));
}

std::vector<Seed> seeds() {
  std::vector<Seed> images;
  for (const Seed& seed : model_seeds()) images.push_back({seed.name, save_image_bytes(read(seed.bytes))});
  return images;
}

}  // namespace

const Target image{"image", "the binary image", [](std::string_view bytes) { bounded(run, bytes); },
                   seeds,   change_numbers,     2};
}  // namespace chorus::fuzz

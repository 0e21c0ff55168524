#include <core/picture.h>

#include <atomic>

namespace chorus {
namespace {
constinit std::atomic<PictureDecoder> installed{nullptr};
}  // namespace

void set_picture_decoder(PictureDecoder decoder) noexcept { installed.store(decoder, std::memory_order_release); }
PictureDecoder picture_decoder() noexcept { return installed.load(std::memory_order_acquire); }

}  // namespace chorus

// PaddlePaddle without Python: its own start lies in a library that needs the interpreter, its parts do not.
#include <dlfcn.h>
#include <paddle/phi/backends/context_pool.h>
#include <paddle/phi/common/memory_utils.h>
#include <paddle/phi/core/memory/malloc.h>
#include <paddle/phi/core/memory/memcpy.h>

#include <mutex>

#include "ops.h"

namespace paddle::platform {
// As libphi_core exports them; the headers of the wheel do not declare them.
void EmplaceDeviceContexts(std::map<phi::Place, std::shared_future<std::unique_ptr<phi::DeviceContext>>>*,
                           const std::vector<phi::Place>&, bool, int, bool);
void SetNumThreads(int);
}  // namespace paddle::platform

namespace fLI {
extern int32_t FLAGS_v;  // how much it logs, from the environment's GLOG_v
}

namespace chorus_paddle {

void start_paddle() {
  static std::once_flag once;
  std::call_once(once, [] {
    fLI::FLAGS_v = 0;  // GLOG_v=3 silences other libraries, but makes this one print every kernel
    auto m = std::make_unique<phi::MemoryInterface>();
    *m = {};
    m->alloc = paddle::memory::Alloc;
    m->alloc_with_stream = paddle::memory::Alloc;
    m->alloc_shared = paddle::memory::AllocShared;
    m->alloc_shared_with_stream = paddle::memory::AllocShared;
    m->in_same_stream = paddle::memory::InSameStream;
    m->allocation_deleter = paddle::memory::allocation::Allocator::AllocationDeleter;
    m->copy = paddle::memory::Copy<phi::Place, phi::Place>;
    m->copy_with_stream = paddle::memory::Copy<phi::Place, phi::Place>;
    m->emplace_device_contexts = paddle::platform::EmplaceDeviceContexts;
    m->init_devices = [] {};
    phi::MemoryUtils::Instance().Init(std::move(m));
    phi::DeviceContextPool::Init({phi::CPUPlace()});
  });
}

// Threads are OpenMP's, whose number belongs to the calling thread.
void use_threads(int threads) {
  static thread_local int now = 0;
  if (now == threads) return;
  paddle::platform::SetNumThreads(threads);
  now = threads;
}

}  // namespace chorus_paddle

// Caches, cores and quotas of cpu.h, as the system tells them.
#include <chorus/error.h>
#include <core/cpu.h>
#include <core/file.h>

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <set>
#include <string>
#include <utility>

namespace chorus {

std::string cpu_brand();  // cpu.cpp

namespace {

constexpr int64_t kSmallFile = 64 * 1024;

// The text of a small system file without its last newline, empty when there is none.
std::string text_or_empty(const std::string& path) {
  try {
    std::string text = read_whole(path, kSmallFile);
    while (!text.empty() && text.back() == '\n') text.pop_back();
    return text;
  } catch (const Error&) {
    return {};
  }
}

// The number at the start of `text`, or `fallback`.
int64_t number(std::string_view text, int64_t fallback) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end != text.data() ? value : fallback;
}

int64_t bytes(const std::string& text) {  // "48K", "2M"
  const int64_t value = std::max<int64_t>(number(text, 0), 0);
  if (text.empty() || value > (int64_t{1} << 30)) return 0;
  return text.back() == 'K' ? value << 10 : text.back() == 'M' ? value << 20 : value;
}

void read_caches(CpuInfo& info) {
  for (int index = 0; index < 8; ++index) {
    const std::string base = "/sys/devices/system/cpu/cpu0/cache/index" + std::to_string(index) + "/";
    const std::string level = text_or_empty(base + "level");
    if (level.empty()) break;
    if (text_or_empty(base + "type") == "Instruction") continue;
    const int64_t size = bytes(text_or_empty(base + "size"));
    if (level == "1") info.l1d_bytes = size;
    if (level == "2") info.l2_bytes = size;
    if (level == "3") info.l3_bytes = size;
  }
  const auto fill = [](int64_t& value, int name) {
    if (value == 0) value = std::max<int64_t>(::sysconf(name), 0);
  };
  fill(info.l1d_bytes, _SC_LEVEL1_DCACHE_SIZE);
  fill(info.l2_bytes, _SC_LEVEL2_CACHE_SIZE);
  fill(info.l3_bytes, _SC_LEVEL3_CACHE_SIZE);
}

int count_cores(int logical) {
  std::set<std::pair<std::string, std::string>> cores;
  const int64_t configured = std::min<int64_t>(::sysconf(_SC_NPROCESSORS_CONF), 8192);
  for (int64_t i = 0; i < configured; ++i) {
    const std::string base = "/sys/devices/system/cpu/cpu" + std::to_string(i) + "/topology/";
    const std::string core = text_or_empty(base + "core_id");
    if (!core.empty()) cores.emplace(text_or_empty(base + "physical_package_id"), core);
  }
  return cores.empty() ? logical : std::min(static_cast<int>(cores.size()), logical);
}

int affinity_processors() {
  for (size_t processors = 1024; processors <= (1 << 16); processors *= 2) {
    cpu_set_t* set = CPU_ALLOC(processors);
    if (set == nullptr) break;
    const size_t size = CPU_ALLOC_SIZE(processors);
    const int count = ::sched_getaffinity(0, size, set) == 0 ? CPU_COUNT_S(size, set) : -1;
    CPU_FREE(set);
    if (count > 0) return count;
  }
  return static_cast<int>(std::max<long>(::sysconf(_SC_NPROCESSORS_ONLN), 1));
}

// Whole processors of one group, 0: no quota.
int quota(int64_t allowed_us, int64_t period_us) {
  if (allowed_us <= 0 || period_us <= 0) return 0;
  return static_cast<int>(std::clamp<int64_t>(allowed_us / period_us, 1, 1 << 20));
}

int group_quota(const std::string& folder, bool unified) {
  if (!unified) {
    return quota(number(text_or_empty(folder + "/cpu.cfs_quota_us"), -1),
                 number(text_or_empty(folder + "/cpu.cfs_period_us"), -1));
  }
  const std::string text = text_or_empty(folder + "/cpu.max");  // "150000 100000" or "max 100000"
  const size_t space = text.find(' ');
  return space == std::string::npos ? 0 : quota(number(text, -1), number(std::string_view(text).substr(space + 1), -1));
}

// True for the "cpu" in "cpu,cpuacct".
bool names_cpu(std::string_view controllers) {
  return ("," + std::string(controllers) + ",").find(",cpu,") != std::string::npos;
}

// The least quota of the group `path` and its parents up to `mount` itself. Inside a container the path may not exist
// below the mount, which then shows the container's own group at its top.
int least_quota(const std::string& mount, std::string path, bool unified) {
  int least = 0;
  for (;;) {
    while (!path.empty() && path.back() == '/') path.pop_back();
    const int here = group_quota(mount + path, unified);
    if (here > 0) least = least == 0 ? here : std::min(least, here);
    if (path.empty()) return least;
    path.resize(path.find_last_of('/') == std::string::npos ? 0 : path.find_last_of('/'));
  }
}

}  // namespace

const CpuInfo& cpu_info() {
  static const CpuInfo info = [] {
    CpuInfo result;
    result.brand = cpu_brand();
    result.logical_processors = static_cast<int>(std::max<long>(::sysconf(_SC_NPROCESSORS_ONLN), 1));
    result.physical_cores = count_cores(result.logical_processors);
    read_caches(result);
    return result;
  }();
  return info;
}

int cgroup_processors(std::string_view membership, const std::string& root) {
  int least = 0;
  while (!membership.empty()) {  // lines "id:controllers:/path"; version 2 is "0::/path"
    const std::string_view line = membership.substr(0, membership.find('\n'));
    membership.remove_prefix(std::min(line.size() + 1, membership.size()));
    const size_t first = line.find(':');
    const size_t second = first == std::string_view::npos ? first : line.find(':', first + 1);
    if (second == std::string_view::npos) continue;
    const std::string_view controllers = line.substr(first + 1, second - first - 1);
    const std::string path(line.substr(second + 1));
    if (path.find("..") != std::string::npos) continue;  // a group outside this namespace
    int here = 0;
    if (controllers.empty()) here = least_quota(root, path, true);
    if (names_cpu(controllers)) here = least_quota(root + "/" + std::string(controllers), path, false);
    if (names_cpu(controllers) && here == 0) here = least_quota(root + "/cpu", path, false);
    if (here > 0) least = least == 0 ? here : std::min(least, here);
  }
  return least;
}

int usable_processors() {
  const int allowed = affinity_processors();
  const int limit = cgroup_processors(text_or_empty("/proc/self/cgroup"), "/sys/fs/cgroup");
  return limit > 0 ? std::min(allowed, limit) : allowed;
}

}  // namespace chorus

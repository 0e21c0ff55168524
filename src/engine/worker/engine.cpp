#include <engine/worker/engine.h>

#include <core/clock.h>
#include <core/log.h>
#include <graph/image.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <optional>
#include <thread>

namespace chorus::worker {
namespace {

constexpr uint64_t kControlRoom = uint64_t{64} << 20;  // for claims: a sentence per node
constexpr int64_t kObeys = 2'000'000'000;  // nanoseconds that an engine has to follow a stop
constexpr int64_t kAgain = 50'000'000;
constexpr int64_t kYoung = 1'000'000'000;  // a worker that dies before this age by itself is not started again at once

}  // namespace

void exchange(Process& process, Channel& channel, const Call& call, FunctionRef<void(Writer&)> fill,
              FunctionRef<void(Reader&)> take) {
  Writer writer(channel.request());
  fill(writer);
  const int64_t deadline = now_ns() + call.deadline_ms * 1'000'000;
  Code stopped = Code::ok;
  int64_t obeys_until = 0, said_at = 0;
  const auto ended = [&] {
    const int64_t now = now_ns();
    if (stopped == Code::ok && call.stop != nullptr && (stopped = call.stop->state()) != Code::ok)
      obeys_until = now + kObeys;
    if (stopped != Code::ok && now - said_at > kAgain) {  // again: the first may have come before the run had begun
      said_at = now;
      Letter letter;
      letter.kind = Letter::stop;
      letter.token = call.token;
      letter.code = static_cast<uint32_t>(stopped);
      letter.turn = channel.turn();
      try {
        process.send(letter);
      } catch (const Error&) {  // then it will not obey
      }
    }
    return !process.alive() || now > deadline || (stopped != Code::ok && now > obeys_until);
  };
  const int64_t bytes = channel.call(writer.size(), ended);
  if (bytes < 0) {
    const bool hangs = process.alive();
    process.kill();
    if (stopped != Code::ok)
      throw Error(stopped,
                  stopped == Code::timeout ? "the run took longer than its time-out" : "the run was cancelled");
    throw Lost{hangs ? fmt::format("did not answer within {} ms while it {}", call.deadline_ms, call.what)
                     : fmt::format("{} while it {}", process.end(), call.what)};
  }
  std::optional<Error> said;
  try {
    Reader reader(channel.answer().first(static_cast<size_t>(bytes)), "the answer");
    if (reader.number_below(2, "status") == 0)
      take(reader);
    else
      said = reader.error();
    reader.end();
  } catch (const Error& error) {
    process.kill();
    throw Lost{fmt::format("answered nonsense when it {}: {}", call.what, error.message())};
  }
  if (said) throw Error(*said);
}

Descriptor image_of(const Model& model) {
  Descriptor file(::memfd_create("chorus-model", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  const auto fail = [] {
    throw Error(Code::budget, fmt::format("the model does not fit into shared memory: {}", std::strerror(errno)));
  };
  if (!file) fail();
  save_image(model, [&](std::span<const std::byte> part) {
    while (!part.empty()) {
      const ssize_t n = ::write(file.get(), part.data(), std::min(part.size(), size_t{1} << 30));
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) fail();
      part = part.subspan(static_cast<size_t>(n));
    }
  });
  if (::fcntl(file.get(), F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_WRITE | F_SEAL_SEAL) != 0) fail();
  return file;
}

WorkerEngine::WorkerEngine(Settings settings) : settings_(std::move(settings)) {
  std::lock_guard guard(lock_);
  try {
    process_ = start(&version_);
  } catch (const Lost& lost) {
    throw Error(Code::unavailable, who() + " " + lost.why, settings_.plugin);
  }
}

std::shared_ptr<Process> WorkerEngine::start(std::string* version) {
  auto process = std::make_shared<Process>(settings_.program);
  started_.fetch_add(1);
  started_ns_ = now_ns();
  process->control_file = memory_file("chorus-control", Channel::file_bytes(kControlRoom));
  process->control = std::make_unique<Channel>(process->control_file);
  Letter letter;
  letter.kind = Letter::file;
  try {
    process->send(letter, &process->control_file);
  } catch (const Error&) {
    throw Lost{process->end() + " while it was started"};
  }
  exchange(
      *process, *process->control, {"opened the engine", settings_.open_ms, nullptr, 0},
      [&](Writer& w) {
        w.number(static_cast<uint64_t>(Ask::open));
        w.text(settings_.plugin);
        w.text(settings_.name);
        w.text(settings_.folder);
      },
      [&](Reader& r) { *version = r.text(); });
  return process;
}

WorkerEngine::~WorkerEngine() {
  if (starter_.joinable()) starter_.join();
}

/// A worker that died while nobody asked it anything.
void WorkerEngine::notice_end(std::unique_lock<std::mutex>& guard) {
  const std::string why = process_->end() + " while it had nothing to do";
  process_.reset();
  const bool young = now_ns() - started_ns_ < kYoung;
  guard.unlock();
  if (young) {
    lost(why);
  } else {
    lost_.fetch_add(1);
    log(LogLevel::warning, "%s in a worker %s", who().c_str(), why.c_str());
  }
  guard.lock();
}

/// Called with lock_ held.
void WorkerEngine::start_behind() {
  if (starter_.joinable()) starter_.join();  // it has nothing left to do
  starting_ = true;
  starter_ = std::thread([this] {
    std::shared_ptr<Process> made;
    std::string why, version;
    try {
      made = start(&version);
    } catch (const Lost& lost) {
      why = lost.why;
    } catch (const std::exception& error) {
      why = std::string("does not start again: ") + error.what();
    }
    if (!made) lost(why);
    std::lock_guard guard(lock_);
    process_ = std::move(made);
    starting_ = false;
  });
}

std::shared_ptr<Process> WorkerEngine::acquire(Wait wait) {
  std::unique_lock guard(lock_);
  for (;;) {
    if (process_ && process_->alive()) return process_;
    if (process_) {
      notice_end(guard);
      continue;
    }
    const int64_t left = starting_ ? 1'000'000 : not_before_ns_ - now_ns();
    if (wait == Wait::no) {
      if (left <= 0) start_behind();
      return nullptr;
    }
    if (left <= 0) break;
    guard.unlock();
    std::this_thread::sleep_for(std::chrono::nanoseconds(left));
    guard.lock();
  }
  try {
    std::string version;
    return process_ = start(&version);
  } catch (const Error& error) {
    throw Lost{"does not start again: " + error.message()};
  }
}

void WorkerEngine::lost(const std::string& why) {
  const int failures = failures_.fetch_add(1) + 1;
  int64_t pause = settings_.first_pause_ms;
  for (int i = 1; i < failures && pause < settings_.most_pause_ms; ++i) pause *= 2;
  pause = std::min(pause, settings_.most_pause_ms);
  {
    std::lock_guard guard(lock_);
    lost_.fetch_add(1);
    if (process_ && !process_->alive()) process_.reset();
    not_before_ns_ = now_ns() + pause * 1'000'000;
  }
  log(LogLevel::warning, "%s in a worker %s; it is started again in %lld ms at the earliest", who().c_str(),
      why.c_str(), static_cast<long long>(pause));
}

Counts WorkerEngine::counts() const {
  std::lock_guard guard(lock_);
  return {process_ && process_->alive() ? process_->pid() : 0, started_.load(), lost_.load(), elsewhere_.load()};
}

std::vector<Claim> WorkerEngine::claim(const Graph& graph, const CompileOptions& options) {
  Model model;
  model.graph = std::shared_ptr<const Graph>(&graph, [](const Graph*) {});  // for this call
  const std::vector<NodeId> order = graph.order();
  std::vector<Claim> claims;
  try {
    const auto process = acquire(Wait::yes);
    const Descriptor image = image_of(model);
    std::lock_guard guard(process->lock);
    Letter letter;
    letter.kind = Letter::file;
    letter.token = process->next_token();
    process->send(letter, &image);
    exchange(
        *process, *process->control, {"was asked for its claims", settings_.compile_ms, nullptr, 0},
        [&](Writer& w) {
          w.number(static_cast<uint64_t>(Ask::claim));
          w.number(letter.token);
          w.options(options);
        },
        [&](Reader& r) {
          claims.clear();
          const uint64_t count = r.number_below(order.size() + 1, "number of claims");
          for (uint64_t i = 0; i < count; ++i) {
            Claim claim;
            claim.node = order[r.number_below(order.size(), "node")];  // an image numbers nodes in their order
            claim.verdict = static_cast<Verdict>(r.number_below(3, "verdict"));
            claim.group = static_cast<int32_t>(r.number());
            claim.reason = r.text();
            claims.push_back(std::move(claim));
          }
        });
  } catch (const Lost& l) {
    lost(l.why);
    throw Error(Code::device_lost, who() + " " + l.why, {}, "it is started again for the next request");
  }
  return claims;
}

std::shared_ptr<Program> WorkerEngine::compile(const Model& model, const CompileOptions& options) {
  return make_program(shared_from_this(), model, options);
}

std::shared_ptr<Engine> make_engine(Settings settings) { return std::make_shared<WorkerEngine>(std::move(settings)); }

Counts counts(const Engine& engine) {
  const auto* worker = dynamic_cast<const WorkerEngine*>(&engine);
  return worker == nullptr ? Counts() : worker->counts();
}

}  // namespace chorus::worker

#include <chorus/error.h>
#include <engine/worker/process.h>
#include <fmt/format.h>

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <string_view>
#include <vector>

namespace chorus::worker {
namespace {

constexpr int64_t kGrace = 2000;  // milliseconds that a worker has to end by itself

/// Actions and attributes of posix_spawn: socket as descriptor 3, nothing else open but the standard error output; no signal blocked or ignored.
class Spawn {
 public:
  explicit Spawn(int socket) {
    posix_spawn_file_actions_init(&actions_);
    posix_spawn_file_actions_addopen(&actions_, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions_, 2, 1);  // what engines print must not mix with this program's output
    posix_spawn_file_actions_adddup2(&actions_, socket, kSocket);
    posix_spawn_file_actions_addclosefrom_np(&actions_, kSocket + 1);
    posix_spawnattr_init(&attributes_);
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(&attributes_, &none);
    posix_spawnattr_setsigdefault(&attributes_, &all);
    posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  }
  ~Spawn() {
    posix_spawn_file_actions_destroy(&actions_);
    posix_spawnattr_destroy(&attributes_);
  }
  Spawn(const Spawn&) = delete;
  Spawn& operator=(const Spawn&) = delete;
  int operator()(pid_t* pid, const std::string& program, const std::string& parent) {
    std::string name = "chorus-worker", ppid = parent;
    char* arguments[] = {name.data(), ppid.data(), nullptr};
    return ::posix_spawn(pid, program.c_str(), &actions_, &attributes_, arguments, environ);
  }

 private:
  posix_spawn_file_actions_t actions_;
  posix_spawnattr_t attributes_;
};

}  // namespace

Process::Process(const std::string& program) {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
    throw Error(Code::unavailable, fmt::format("no socket for a worker: {}", std::strerror(errno)));
  socket_.reset(ends[0]);
  Descriptor theirs(ends[1]);
  if (theirs.get() == kSocket) {  // dup2 onto itself would keep its close-on-exec flag
    const int other = ::fcntl(theirs.get(), F_DUPFD_CLOEXEC, kSocket + 1);
    if (other < 0) throw Error(Code::unavailable, fmt::format("no socket for a worker: {}", std::strerror(errno)));
    theirs.reset(other);
  }
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);  // signals are the program's, not this thread's
  try {
    keeper_ = std::thread([this, &program, end = theirs.release()] { live(program, Descriptor(end)); });
  } catch (...) {
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    throw;
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  std::unique_lock guard(state_);
  changed_.wait(guard, [this] { return started_.load(); });
  if (why_not_.empty()) return;
  guard.unlock();
  keeper_.join();
  throw Error(Code::unavailable, fmt::format("the worker {} cannot be started: {}", program, why_not_));
}

// The thread that starts a worker must live as long as the worker: the system ends the worker with that thread (PR_SET_PDEATHSIG). So it
// waits for the worker's end, which also leaves no zombie.
void Process::live(const std::string& program, Descriptor theirs) {
  pid_t pid = 0;
  const int error = Spawn(theirs.get())(&pid, program, std::to_string(::getpid()));
  theirs.reset();
  {
    std::lock_guard guard(state_);
    if (error != 0) why_not_ = std::strerror(error);
    pid_ = pid;
    dead_ = error != 0;
    started_ = true;
  }
  changed_.notify_all();
  if (error != 0) return;
  // Waits without taking: the number is nobody else's until state_ is held and the end is noted.
  siginfo_t info{};
  while (::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOWAIT) != 0 && errno == EINTR) {
  }
  std::lock_guard guard(state_);
  int status = 0;
  if (::waitpid(pid, &status, 0) == pid) status_ = status;
  dead_.store(true, std::memory_order_release);
  changed_.notify_all();
}

Process::~Process() {
  socket_.reset();
  if (!wait_for_end(kGrace)) kill();
  if (keeper_.joinable()) keeper_.join();
}

bool Process::wait_for_end(int64_t milliseconds) noexcept {
  std::unique_lock guard(state_);
  return changed_.wait_for(guard, std::chrono::milliseconds(milliseconds), [this] { return dead_.load(); });
}

void Process::kill() noexcept {
  std::unique_lock guard(state_);
  if (!dead_) ::kill(static_cast<pid_t>(pid_.load()), SIGKILL);
  changed_.wait(guard, [this] { return dead_.load(); });
}

std::string Process::end() const {
  std::lock_guard guard(state_);
  if (!dead_) return "lives";
  if (WIFSIGNALED(status_)) {
    const char* name = ::sigabbrev_np(WTERMSIG(status_));
    return name == nullptr ? fmt::format("died by signal {}", WTERMSIG(status_)) : fmt::format("died by SIG{}", name);
  }
  return fmt::format("ended with status {}", WEXITSTATUS(status_));
}

void Process::send(const Letter& letter, const Descriptor* file) {
  iovec part{const_cast<Letter*>(&letter), sizeof letter};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  alignas(cmsghdr) char room[CMSG_SPACE(sizeof(int))] = {};
  if (file != nullptr) {
    message.msg_control = room;
    message.msg_controllen = sizeof room;
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    const int fd = file->get();
    std::memcpy(CMSG_DATA(header), &fd, sizeof fd);
  }
  // A worker that reads no letters, stopped or worse, is as good as gone: its queue fills and nobody waits for room.
  const ssize_t sent = ::sendmsg(socket_.get(), &message, MSG_NOSIGNAL | MSG_DONTWAIT);
  if (sent == static_cast<ssize_t>(sizeof letter)) return;
  kill();
  throw Error(Code::device_lost, "reads nothing any more");
}

}  // namespace chorus::worker

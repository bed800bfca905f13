// C11's threads, mutexes and conditions as POSIX's, for programs under ThreadSanitizer. It knows only the latter, and
// librdkafka uses the former: of threads that it did not see begin it crashes, and what they wait for it cannot judge.
// A program's own definitions go before glibc's, whose types these are.
#include <pthread.h>
#include <threads.h>

#include <cerrno>
#include <cstdint>
#include <memory>
#include <utility>

namespace {

static_assert(sizeof(mtx_t) == sizeof(pthread_mutex_t) && sizeof(cnd_t) == sizeof(pthread_cond_t));

pthread_mutex_t* posix(mtx_t* mutex) { return reinterpret_cast<pthread_mutex_t*>(mutex); }
pthread_cond_t* posix(cnd_t* condition) { return reinterpret_cast<pthread_cond_t*>(condition); }

int result(int error) {
  if (error == 0) return thrd_success;
  if (error == ETIMEDOUT) return thrd_timedout;
  return error == EBUSY ? thrd_busy : thrd_error;
}

struct Start {
  thrd_start_t run;
  void* argument;
};

void* run(void* start) {
  const Start that = *std::unique_ptr<Start>(static_cast<Start*>(start));
  return reinterpret_cast<void*>(std::intptr_t{that.run(that.argument)});
}

}  // namespace

extern "C" {

int thrd_create(thrd_t* thread, thrd_start_t function, void* argument) {
  auto start = std::make_unique<Start>(Start{function, argument});
  const int error = pthread_create(thread, nullptr, run, start.get());
  if (error == 0) static_cast<void>(start.release());
  return result(error);
}

int thrd_join(thrd_t thread, int* returned) {
  void* value = nullptr;
  const int error = pthread_join(thread, &value);
  if (returned != nullptr) *returned = static_cast<int>(reinterpret_cast<std::intptr_t>(value));
  return result(error);
}

int mtx_init(mtx_t* mutex, int type) noexcept {
  pthread_mutexattr_t attributes;
  pthread_mutexattr_init(&attributes);
  if ((type & mtx_recursive) != 0) pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_RECURSIVE);
  return result(pthread_mutex_init(posix(mutex), &attributes));
}
int mtx_lock(mtx_t* mutex) { return result(pthread_mutex_lock(posix(mutex))); }
int mtx_unlock(mtx_t* mutex) noexcept { return result(pthread_mutex_unlock(posix(mutex))); }
void mtx_destroy(mtx_t* mutex) noexcept { pthread_mutex_destroy(posix(mutex)); }

int cnd_init(cnd_t* condition) noexcept { return result(pthread_cond_init(posix(condition), nullptr)); }
int cnd_signal(cnd_t* condition) noexcept { return result(pthread_cond_signal(posix(condition))); }
int cnd_broadcast(cnd_t* condition) noexcept { return result(pthread_cond_broadcast(posix(condition))); }
int cnd_wait(cnd_t* condition, mtx_t* mutex) { return result(pthread_cond_wait(posix(condition), posix(mutex))); }
int cnd_timedwait(cnd_t* condition, mtx_t* mutex, const timespec* until) {
  return result(pthread_cond_timedwait(posix(condition), posix(mutex), until));
}
void cnd_destroy(cnd_t* condition) noexcept { pthread_cond_destroy(posix(condition)); }
}

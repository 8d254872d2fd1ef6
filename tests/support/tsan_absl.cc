// Tells ThreadSanitizer what absl's locks order. The distribution's absl library is not
// instrumented, so without this every field that a Mutex guards looks like a race. The functions
// below stand before the library's own, in this program and in libraries such as gRPC's, and call
// them. Built into tests of the tsan preset only.
#include <dlfcn.h>
#include <sanitizer/tsan_interface.h>

#include <cerrno>

#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"

extern "C" void AnnotateIgnoreReadsBegin(const char* file, int line);
extern "C" void AnnotateIgnoreReadsEnd(const char* file, int line);

namespace {

// The library's function of a mangled name.
template <typename F>
F Real(const char* name) {
  return reinterpret_cast<F>(dlsym(RTLD_NEXT, name));
}

// The library's locks leave errno alone, and callers count on it.
class KeepErrno {
 public:
  ~KeepErrno() { errno = kept_; }

 private:
  const int kept_ = errno;
};

// While it unlocks or waits, a mutex evaluates conditions of other waiters under its lock, which
// the sanitizer does not see as locked.
class IgnoreReads {
 public:
  IgnoreReads() { AnnotateIgnoreReadsBegin(__FILE__, __LINE__); }
  ~IgnoreReads() { AnnotateIgnoreReadsEnd(__FILE__, __LINE__); }
};

}  // namespace

// Mangled "absl::<inline namespace>::Class::" of this version of absl.
#define SM_ABSL(rest) "_ZN4absl7debian3" rest
#define SM_ABSL_CONST(rest) "_ZNK4absl7debian3" rest

namespace absl {
ABSL_NAMESPACE_BEGIN

#define SM_LOCK(method, mangled)                                       \
  void Mutex::method() {                                               \
    const KeepErrno keep;                                              \
    static const auto real = Real<void (*)(Mutex*)>(SM_ABSL(mangled)); \
    real(this);                                                        \
    __tsan_acquire(this);                                              \
  }
#define SM_UNLOCK(method, mangled)                                     \
  void Mutex::method() {                                               \
    const KeepErrno keep;                                              \
    static const auto real = Real<void (*)(Mutex*)>(SM_ABSL(mangled)); \
    __tsan_release(this);                                              \
    const IgnoreReads ignore;                                          \
    real(this);                                                        \
  }

SM_LOCK(Lock, "5Mutex4LockEv")
SM_LOCK(ReaderLock, "5Mutex10ReaderLockEv")
SM_UNLOCK(Unlock, "5Mutex6UnlockEv")
SM_UNLOCK(ReaderUnlock, "5Mutex12ReaderUnlockEv")

bool Mutex::TryLock() {
  const KeepErrno keep;
  static const auto real = Real<bool (*)(Mutex*)>(SM_ABSL("5Mutex7TryLockEv"));
  const bool locked = real(this);
  if (locked) __tsan_acquire(this);
  return locked;
}

void Mutex::Await(const Condition& condition) {
  const KeepErrno keep;
  static const auto real =
      Real<void (*)(Mutex*, const Condition&)>(SM_ABSL("5Mutex5AwaitERKNS0_9ConditionE"));
  __tsan_release(this);
  {
    const IgnoreReads ignore;
    real(this, condition);
  }
  __tsan_acquire(this);
}

bool Mutex::AwaitWithDeadline(const Condition& condition, Time deadline) {
  const KeepErrno keep;
  static const auto real = Real<bool (*)(Mutex*, const Condition&, Time)>(
      SM_ABSL("5Mutex17AwaitWithDeadlineERKNS0_9ConditionENS0_4TimeE"));
  __tsan_release(this);
  bool holds;
  {
    const IgnoreReads ignore;
    holds = real(this, condition, deadline);
  }
  __tsan_acquire(this);
  return holds;
}

bool Mutex::AwaitWithTimeout(const Condition& condition, Duration timeout) {
  const KeepErrno keep;
  static const auto real = Real<bool (*)(Mutex*, const Condition&, Duration)>(
      SM_ABSL("5Mutex16AwaitWithTimeoutERKNS0_9ConditionENS0_8DurationE"));
  __tsan_release(this);
  bool holds;
  {
    const IgnoreReads ignore;
    holds = real(this, condition, timeout);
  }
  __tsan_acquire(this);
  return holds;
}

void CondVar::Wait(Mutex* mutex) {
  const KeepErrno keep;
  static const auto real = Real<void (*)(CondVar*, Mutex*)>(SM_ABSL("7CondVar4WaitEPNS0_5MutexE"));
  __tsan_release(mutex);
  real(this, mutex);
  __tsan_acquire(mutex);
}

bool CondVar::WaitWithDeadline(Mutex* mutex, Time deadline) {
  const KeepErrno keep;
  static const auto real = Real<bool (*)(CondVar*, Mutex*, Time)>(
      SM_ABSL("7CondVar16WaitWithDeadlineEPNS0_5MutexENS0_4TimeE"));
  __tsan_release(mutex);
  const bool late = real(this, mutex, deadline);
  __tsan_acquire(mutex);
  return late;
}

bool CondVar::WaitWithTimeout(Mutex* mutex, Duration timeout) {
  const KeepErrno keep;
  static const auto real = Real<bool (*)(CondVar*, Mutex*, Duration)>(
      SM_ABSL("7CondVar15WaitWithTimeoutEPNS0_5MutexENS0_8DurationE"));
  __tsan_release(mutex);
  const bool late = real(this, mutex, timeout);
  __tsan_acquire(mutex);
  return late;
}

void Notification::Notify() {
  const KeepErrno keep;
  static const auto real = Real<void (*)(Notification*)>(SM_ABSL("12Notification6NotifyEv"));
  __tsan_release(this);
  real(this);
}

void Notification::WaitForNotification() const {
  const KeepErrno keep;
  static const auto real =
      Real<void (*)(const Notification*)>(SM_ABSL_CONST("12Notification19WaitForNotificationEv"));
  real(this);
  __tsan_acquire(const_cast<Notification*>(this));
}

bool Notification::WaitForNotificationWithTimeout(Duration timeout) const {
  const KeepErrno keep;
  static const auto real = Real<bool (*)(const Notification*, Duration)>(
      SM_ABSL_CONST("12Notification30WaitForNotificationWithTimeoutENS0_8DurationE"));
  const bool notified = real(this, timeout);
  if (notified) __tsan_acquire(const_cast<Notification*>(this));
  return notified;
}

ABSL_NAMESPACE_END
}  // namespace absl

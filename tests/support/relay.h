#pragma once

#include <atomic>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace slotmatch {

// A TCP connection's way through a network that can fail: whatever connects to address() is put
// through to a port of this machine, until Freeze(). Thread-safe.
class Relay {
 public:
  explicit Relay(int to_port);
  ~Relay();

  std::string address() const;
  // From now on nothing gets through and nobody is told, as behind a router that lost its power.
  void Freeze() { frozen_ = true; }

 private:
  void Run();
  void Accept();

  const int to_port_;
  int listener_ = -1;
  int port_ = 0;
  std::vector<std::pair<int, int>> pipes_;  // of the thread: from, to
  std::atomic<bool> frozen_{false}, closing_{false};
  std::thread thread_;  // last: it uses everything above
};

}  // namespace slotmatch

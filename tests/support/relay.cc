#include "tests/support/relay.h"

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <set>

namespace slotmatch {
namespace {

constexpr int kLookMs = 20;

sockaddr_in Loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

bool SendAll(int fd, const char* data, ssize_t size) {
  while (size > 0) {
    const ssize_t count = send(fd, data, static_cast<size_t>(size), MSG_NOSIGNAL);
    if (count <= 0) return false;
    data += count;
    size -= count;
  }
  return true;
}

}  // namespace

Relay::Relay(int to_port) : to_port_(to_port), listener_(socket(AF_INET, SOCK_STREAM, 0)) {
  sockaddr_in address = Loopback(0);
  socklen_t size = sizeof(address);
  bind(listener_, reinterpret_cast<const sockaddr*>(&address), size);
  listen(listener_, 16);
  getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
  port_ = ntohs(address.sin_port);
  thread_ = std::thread([this] { Run(); });
}

Relay::~Relay() {
  closing_ = true;
  thread_.join();
  std::set<int> fds = {listener_};
  for (const auto& [from, to] : pipes_) fds.insert({from, to});
  for (const int fd : fds) {
    if (fd >= 0) close(fd);
  }
}

std::string Relay::address() const { return "127.0.0.1:" + std::to_string(port_); }

void Relay::Accept() {
  const int from = accept(listener_, nullptr, nullptr);
  const int to = socket(AF_INET, SOCK_STREAM, 0);
  const sockaddr_in address = Loopback(to_port_);
  connect(to, reinterpret_cast<const sockaddr*>(&address), sizeof(address));
  pipes_.emplace_back(from, to);
  pipes_.emplace_back(to, from);
}

void Relay::Run() {
  while (!closing_) {
    std::vector<pollfd> fds = {{listener_, POLLIN, 0}};
    for (const auto& [from, to] : pipes_) fds.push_back({from, POLLIN, 0});
    if (frozen_) fds.clear();
    if (poll(fds.data(), fds.size(), kLookMs) <= 0 || frozen_) continue;
    for (size_t i = fds.size() - 1; i > 0; --i) {  // from the end: pipes may go
      if (fds[i].revents == 0) continue;
      char chunk[65536];
      const auto [from, to] = pipes_[i - 1];
      const ssize_t count = recv(from, chunk, sizeof(chunk), 0);
      if (count > 0 && SendAll(to, chunk, count)) continue;
      shutdown(to, SHUT_RDWR);
      pipes_[i - 1].first = -1;  // poll() passes over it
    }
    if (fds[0].revents != 0) Accept();
  }
}

}  // namespace slotmatch

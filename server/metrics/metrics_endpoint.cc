#include "server/metrics/metrics_endpoint.h"

#include <httplib.h>
#include <sys/socket.h>

#include <thread>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace slotmatch {
namespace {

constexpr size_t kThreads = 4;             // one is held by each scraper's kept-alive connection
constexpr size_t kMaxRequestBytes = 4096;  // a scrape has no body
constexpr int kUnauthorized = 401;
constexpr char kContentType[] = "text/plain; version=0.0.4; charset=utf-8";

// Unlike the library's default, without SO_REUSEPORT: a second server must fail, not share.
void ReuseAddressOnly(socket_t socket) {
  const int yes = 1;
  setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
}

}  // namespace

struct MetricsEndpoint::Impl {
  httplib::Server server;
  std::thread listener;
  int port = 0;
};

MetricsEndpoint::MetricsEndpoint() : impl_(std::make_unique<Impl>()) {}

MetricsEndpoint::~MetricsEndpoint() {
  impl_->server.stop();
  if (impl_->listener.joinable()) impl_->listener.join();
}

absl::StatusOr<std::unique_ptr<MetricsEndpoint>> MetricsEndpoint::Start(Options options) {
  const std::string& address = options.address;
  const size_t colon = address.rfind(':');
  std::string host = address.substr(0, colon);
  if (absl::StartsWith(host, "[") && absl::EndsWith(host, "]")) {
    host = host.substr(1, host.size() - 2);  // IPv6
  }
  int port = 0;
  if (colon == std::string::npos || !absl::SimpleAtoi(address.substr(colon + 1), &port)) {
    return absl::InvalidArgumentError(absl::StrCat("'", address, "' is not HOST:PORT"));
  }
  std::unique_ptr<MetricsEndpoint> endpoint(new MetricsEndpoint());
  Impl& impl = *endpoint->impl_;
  impl.server.new_task_queue = [] { return new httplib::ThreadPool(kThreads); };
  impl.server.set_socket_options(ReuseAddressOnly);
  impl.server.set_payload_max_length(kMaxRequestBytes);
  impl.server.Get("/metrics", [text = options.text, allow = options.allow](
                                  const httplib::Request& request, httplib::Response& response) {
    const absl::Status allowed =
        allow ? allow(request.get_header_value("Authorization")) : absl::OkStatus();
    if (allowed.ok()) return response.set_content(text(), kContentType);
    response.status = kUnauthorized;
    response.set_header("WWW-Authenticate", "Bearer");
    response.set_content(std::string(allowed.message()) + "\n", "text/plain");
  });
  impl.port = port == 0 ? impl.server.bind_to_any_port(host)
                        : (impl.server.bind_to_port(host, port) ? port : -1);
  if (impl.port <= 0) {
    return absl::UnavailableError(absl::StrCat("cannot serve metrics on ", address,
                                               ": is the port taken or the address not local?"));
  }
  impl.listener = std::thread([&impl] { impl.server.listen_after_bind(); });
  while (!impl.server.is_running()) std::this_thread::yield();  // stop() before it would be lost
  return endpoint;
}

int MetricsEndpoint::port() const { return impl_->port; }

}  // namespace slotmatch

#include "server/rpc/session_registry.h"

#include <algorithm>

#include "absl/random/random.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "server/rpc/status_convert.h"

namespace slotmatch {

namespace {

// "ipv4:10.0.0.7:51034" without the port; a Unix socket has none.
std::string AddressOf(const std::string& peer) {
  return absl::StartsWith(peer, "unix:") ? peer : peer.substr(0, peer.rfind(':'));
}

}  // namespace

int SessionRegistry::PlacesOf(const std::string* address) const {
  return static_cast<int>(
      std::count_if(sessions_.begin(), sessions_.end(), [&](const Entry& entry) {
        return entry.has_place && (address == nullptr || entry.address == *address);
      }));
}

absl::StatusOr<std::string> SessionRegistry::Admit(const std::shared_ptr<LiveSession>& session,
                                                   const std::string& peer) {
  std::string address = AddressOf(peer);
  absl::BitGen random;
  absl::MutexLock lock(&mutex_);
  if (draining_) return absl::UnavailableError("the server is shutting down; connect again");
  if (PlacesOf(nullptr) >= max_sessions_) {
    return WithRetry(absl::ResourceExhaustedError(absl::StrCat(
                         "all ", max_sessions_, " sessions are taken; try again later")),
                     departures_.NextIn());
  }
  if (max_per_peer_ > 0 && PlacesOf(&address) >= max_per_peer_) {
    return absl::ResourceExhaustedError(
        absl::StrCat("all ", max_per_peer_, " sessions of ", address, " are taken; end one first"));
  }
  std::string id = absl::StrFormat("%d-%08x", next_++, absl::Uniform<uint32_t>(random));
  sessions_.push_back({id, session, std::move(address)});
  return id;
}

void SessionRegistry::Keep(const std::string& id, std::shared_ptr<void> ticket) {
  absl::MutexLock lock(&mutex_);
  for (Entry& entry : sessions_) {
    if (entry.id == id && entry.has_place) entry.kept.swap(ticket);
  }
}

void SessionRegistry::Release(const std::string& id) {
  std::shared_ptr<void> ticket;  // goes after the lock
  absl::MutexLock lock(&mutex_);
  for (Entry& entry : sessions_) {
    if (entry.id != id || !entry.has_place) continue;
    entry.has_place = false;
    entry.kept.swap(ticket);
    departures_.Left(absl::Now());
  }
}

void SessionRegistry::Remove(const std::string& id) {
  Release(id);
  absl::MutexLock lock(&mutex_);
  sessions_.erase(std::remove_if(sessions_.begin(), sessions_.end(),
                                 [&](const Entry& entry) { return entry.id == id; }),
                  sessions_.end());
}

bool SessionRegistry::draining() const {
  absl::MutexLock lock(&mutex_);
  return draining_;
}

void SessionRegistry::BeginDrain() {
  absl::MutexLock lock(&mutex_);
  draining_ = true;
}

bool SessionRegistry::WaitUntilEmpty(absl::Time deadline) {
  absl::MutexLock lock(&mutex_);
  return mutex_.AwaitWithDeadline(absl::Condition(this, &SessionRegistry::Empty), deadline);
}

std::vector<SessionRegistry::Named> SessionRegistry::Alive() const {
  std::vector<Named> alive;
  absl::MutexLock lock(&mutex_);
  for (const Entry& entry : sessions_) {
    if (auto session = entry.session.lock()) alive.emplace_back(entry.id, std::move(session));
  }
  return alive;
}

void SessionRegistry::TickAll(absl::Time now) {
  for (const auto& [id, session] : Alive()) session->Tick(now);
}

void SessionRegistry::LeaveAll() {
  for (const auto& [id, session] : Alive()) session->Leave();
}

void SessionRegistry::DropAllWaiting() {
  for (const auto& [id, session] : Alive()) session->DropWaiting();
}

void SessionRegistry::EndAll(const absl::Status& status) {
  for (const auto& [id, session] : Alive()) session->EndWith(EndCause::kDraining, status);
}

std::vector<SessionReport> SessionRegistry::Reports() const {
  std::vector<SessionReport> reports;
  for (const auto& [id, session] : Alive()) {
    reports.push_back(session->Report());
    reports.back().id = id;
  }
  return reports;
}

bool SessionRegistry::Close(const std::string& id, const absl::Status& status) {
  for (const auto& [other, session] : Alive()) {
    if (other != id) continue;
    session->EndWith(EndCause::kClosed, status);
    return true;
  }
  return false;
}

int SessionRegistry::EndModel(const std::string& name, const std::string& version,
                              const absl::Status& status) {
  int ended = 0;
  for (const auto& [id, session] : Alive()) {
    if (!session->Report().Uses({name, version})) continue;
    session->EndWith(EndCause::kModelUnloaded, status);
    ++ended;
  }
  return ended;
}

size_t SessionRegistry::size() const {
  absl::MutexLock lock(&mutex_);
  return sessions_.size();
}

}  // namespace slotmatch

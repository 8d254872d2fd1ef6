#pragma once

#include <grpcpp/grpcpp.h>

namespace slotmatch {

// grpc.health.v1.Health (Check and Watch) over gRPC's own implementation. "liveness" and "" say
// that the process is alive; "readiness" and "slotmatch.v1.SlotMatchService" that it takes
// sessions. Call EnableHealth() before the server is built, SetReady() any time after; thread-safe.
void EnableHealth();
void SetReady(grpc::Server* server, bool ready);

}  // namespace slotmatch

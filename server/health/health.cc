#include "server/health/health.h"

#include <grpcpp/health_check_service_interface.h>

namespace slotmatch {

void EnableHealth() { grpc::EnableDefaultHealthCheckService(true); }

void SetReady(grpc::Server* server, bool ready) {
  grpc::HealthCheckServiceInterface* health = server->GetHealthCheckService();
  health->SetServingStatus("", true);
  health->SetServingStatus("liveness", true);
  health->SetServingStatus("readiness", ready);
  health->SetServingStatus("slotmatch.v1.SlotMatchService", ready);
}

}  // namespace slotmatch

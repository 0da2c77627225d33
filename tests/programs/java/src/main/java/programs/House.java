package programs;

import io.temporal.client.WorkflowClient;
import io.temporal.serviceclient.WorkflowServiceStubs;
import io.temporal.serviceclient.WorkflowServiceStubsOptions;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;

/** What all programs share: a client for each address. */
record House(List<WorkflowClient> clients, AtomicInteger turn) {
  static House open(List<String> addresses) {
    return new House(addresses.stream().map(House::connect).toList(), new AtomicInteger());
  }

  private static WorkflowClient connect(String address) {
    return WorkflowClient.newInstance(
        WorkflowServiceStubs.newServiceStubs(
            WorkflowServiceStubsOptions.newBuilder().setTarget(address).build()));
  }

  /** The next address's. */
  WorkflowClient next() {
    return clients.get(turn.incrementAndGet() % clients.size());
  }

  Stage stage() {
    return new Stage(this);
  }
}

package programs;

import io.temporal.client.WorkflowStub;
import java.util.List;
import java.util.Map;

/** Leads an order through its life and stops at the points "paid" and "on the way". */
final class OrderProgram {
  private OrderProgram() {}

  static Object play(Stage stage) throws Exception {
    stage.work();
    String id = Stage.unique("order");
    WorkflowStub order =
        stage.start(
            "Order",
            stage.options(id).setMemo(Map.of("by", "Ann")).build(),
            new Order.Request("Espresso machine", "Main Street 1"));
    stage.reaches(id, "paid");
    String negative = Errors.kindOf(() -> stage.current(id).update("changeTip", Integer.class, -1));
    int before = stage.current(id).update("changeTip", Integer.class, 200);
    Main.pause("paid", id);
    int between = stage.current(id).update("changeTip", Integer.class, 300);
    stage.current(id).signal("pickedUp");
    stage.reaches(id, "on the way");
    Main.pause("on the way", id);
    String address = stage.current(id).update("changeAddress", String.class, "Side Street 2");
    stage.current(id).signal("delivered");
    Order.Receipt receipt = order.getResult(Order.Receipt.class);
    return Map.of(
        "workflow", id, "receipt", receipt, "negative", negative, "tips", List.of(before, between),
        "address", address, "after", stage.current(id).query("status", String.class), "paid", memo(stage, id));
  }

  /** What the workflow has noted beside what its starter did. */
  private static String memo(Stage stage, String id) {
    var fields =
        stage.current(id).describe().getRawDescription().getWorkflowExecutionInfo().getMemo().getFieldsMap();
    return "by %s: %s".formatted(fields.get("by").getData().toStringUtf8(), fields.get("paid").getData().toStringUtf8());
  }
}

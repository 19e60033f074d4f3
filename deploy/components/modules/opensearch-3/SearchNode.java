/** One OpenSearch node on a port of our choice; by reflection, for its jars are of a newer Java than compiles this. */
public class SearchNode {
    public static void main(String[] args) throws Exception {
        Class<?> runner = Class.forName("org.codelibs.opensearch.runner.OpenSearchRunner");
        Object node = runner.getConstructor().newInstance();
        runner.getMethod("setMaxHttpPort", int.class).invoke(node, -1);
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            try {
                runner.getMethod("close").invoke(node);
            } catch (Exception error) {
                error.printStackTrace();
            }
        }));
        runner.getMethod("build", String[].class).invoke(node, (Object) args);
        Thread.currentThread().join();
    }
}

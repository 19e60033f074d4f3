import org.codelibs.opensearch.runner.OpenSearchRunner;

/** One OpenSearch node on a port of our choice: the runner's own main takes none above 9299. */
public class SearchNode {
    public static void main(String[] args) throws Exception {
        OpenSearchRunner node = new OpenSearchRunner();
        node.setMaxHttpPort(-1);
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            try {
                node.close();
            } catch (Exception error) {
                error.printStackTrace();
            }
        }));
        node.build(args);
        Thread.currentThread().join();
    }
}

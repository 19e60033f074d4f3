import org.codelibs.elasticsearch.runner.ElasticsearchClusterRunner;

/** One Elasticsearch node on a port of our choice: the runner's own main takes none above 9299. */
public class SearchNode {
    public static void main(String[] args) throws Exception {
        ElasticsearchClusterRunner node = new ElasticsearchClusterRunner();
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

// Last-writer sums by account with Kafka Streams: a table of versions by worklog, summed by account; a sink upserts.

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.KGroupedTable;

public class LastWriterSums {
    static final ObjectMapper JSON = new ObjectMapper();
    static final String UPSERT = "INSERT INTO account_totals VALUES (?, ?, ?) ON CONFLICT (account) "
        + "DO UPDATE SET seconds = excluded.seconds, worklogs = excluded.worklogs";

    public static void main(String[] args) throws Exception {
        Map<String, String> env = System.getenv();
        String sums = env.get("BENCH_TOPIC") + ".sums";
        Properties settings = new Properties();
        settings.put(StreamsConfig.APPLICATION_ID_CONFIG, env.get("BENCH_TOPIC") + ".streams");
        settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, env.get("BENCH_BOOTSTRAP"));
        settings.put(StreamsConfig.STATE_DIR_CONFIG, env.get("BENCH_FOLDER"));
        settings.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
        settings.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, 2);
        // The same delay as the other peers; the default is 100 ms.
        settings.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, 200);
        settings.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, 128 * 1024 * 1024L);
        settings.put(StreamsConfig.DEFAULT_KEY_SERDE_CLASS_CONFIG, Serdes.StringSerde.class);
        settings.put(StreamsConfig.DEFAULT_VALUE_SERDE_CLASS_CONFIG, Serdes.StringSerde.class);
        settings.put("auto.offset.reset", "earliest");

        StreamsBuilder builder = new StreamsBuilder();
        // A version is "time|deleted|seconds|account": the later one wins, and a deletion at equal times.
        KGroupedTable<String, String> versions = builder
            .stream(env.get("BENCH_TOPIC"), Consumed.with(Serdes.String(), Serdes.String()))
            .map((key, value) -> version(value))
            .groupByKey()
            .reduce((old, latest) -> latest.compareTo(old) > 0 ? latest : old)
            .filter((worklog, version) -> version.charAt(version.indexOf('|') + 1) == '0')
            .groupBy((worklog, version) -> {
                String[] parts = version.split("\\|");
                return KeyValue.pair(parts[3], parts[2]);
            }, Grouped.with(Serdes.String(), Serdes.String()));
        versions
            .aggregate(() -> "0 0", (account, seconds, sum) -> add(sum, Long.parseLong(seconds), 1),
                (account, seconds, sum) -> add(sum, -Long.parseLong(seconds), -1))
            .toStream()
            .to(sums);

        KafkaStreams streams = new KafkaStreams(builder.build(), settings);
        Runtime.getRuntime().addShutdownHook(new Thread(streams::close));
        try (Admin admin = Admin.create(settings)) {
            admin.createTopics(List.of(new NewTopic(sums, 4, (short) 1))).all().get();
        }
        streams.start();
        sink(env, sums);
    }

    static KeyValue<String, String> version(String value) {
        try {
            JsonNode event = JSON.readTree(value);
            boolean deleted = event.has("deleted_at");
            String changedAt = event.get(deleted ? "deleted_at" : "updated_at").asText();
            int account = Integer.parseInt(event.get("issue_id").asText().substring(1)) % 800;
            int seconds = deleted ? 0 : event.get("seconds").asInt();
            return KeyValue.pair(event.get("worklog_id").asText(),
                changedAt + "|" + (deleted ? 1 : 0) + "|" + seconds + "|" + account);
        } catch (Exception error) {
            throw new IllegalArgumentException(value, error);
        }
    }

    static String add(String sum, long seconds, int worklogs) {
        int space = sum.indexOf(' ');
        return (Long.parseLong(sum.substring(0, space)) + seconds) + " "
            + (Long.parseLong(sum.substring(space + 1)) + worklogs);
    }

    // As a JDBC sink connector does: what one poll brings is one transaction, and then the offsets are committed.
    static void sink(Map<String, String> env, String topic) throws Exception {
        Map<String, Object> settings = Map.of(
            "bootstrap.servers", env.get("BENCH_BOOTSTRAP"), "group.id", topic, "auto.offset.reset", "earliest",
            "isolation.level", "read_committed", "enable.auto.commit", false, "max.poll.records", 3000);
        try (KafkaConsumer<String, String> sums =
                 new KafkaConsumer<>(settings, new StringDeserializer(), new StringDeserializer());
             Connection connection = DriverManager.getConnection(
                 env.get("BENCH_JDBC_URL"), env.get("BENCH_USER"), env.get("BENCH_PASSWORD"));
             PreparedStatement upsert = connection.prepareStatement(UPSERT)) {
            connection.setAutoCommit(false);
            sums.subscribe(List.of(topic));
            while (true) {
                Map<String, String> latest = new HashMap<>();
                sums.poll(Duration.ofMillis(200)).forEach(record -> latest.put(record.key(), record.value()));
                for (Map.Entry<String, String> sum : latest.entrySet()) {
                    String[] figures = sum.getValue().split(" ");
                    upsert.setInt(1, Integer.parseInt(sum.getKey()));
                    upsert.setLong(2, Long.parseLong(figures[0]));
                    upsert.setLong(3, Long.parseLong(figures[1]));
                    upsert.addBatch();
                }
                upsert.executeBatch();
                connection.commit();
                sums.commitSync();
            }
        }
    }
}

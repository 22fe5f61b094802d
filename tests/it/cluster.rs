//! The testbed's cluster: three nodes are one broker, also when one of them dies or is cut off.

use std::time::Duration;

use lapin::options::QueueDeclareOptions;
use lapin::types::{AMQPValue, FieldTable};
use testbed::amqp::{self, Client};
use testbed::eventually;
use testbed::proxy::{Fault, Proxy};
use testbed::rabbitmq::{Cluster, Source, Wish, find};
use testbed::report::Reporter;

/// Long enough for a node to come back on a busy machine.
const LATER: Duration = Duration::from_secs(120);

const QUEUE: &str = "kept";

/// Through whichever node takes connections and has the queue's majority.
async fn publish(proxy: &Proxy, id: &str) {
    let url = format!("amqp://guest:guest@{}/%2f", proxy.address());
    eventually("a publish is confirmed", LATER, || async {
        let client = Client::connect(&url).await.ok()?;
        client.publish("", QUEUE, amqp::event_properties(id), b"{}").await.ok()
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_private_broker_of_three_nodes_outlives_its_leader_and_a_cut_node() {
    let wish = match Wish::from_environment() {
        Wish::Url(_) | Wish::Any => Wish::System,
        wish => wish,
    };
    let report = Reporter::stderr();
    let Source::Installed(installation) = find(&wish, &report).await.unwrap() else {
        panic!("a broker that is installed was asked for");
    };
    let source = Source::Installed(installation);
    let mut cluster = Cluster::start(&source, 3, &report).await.unwrap();
    let proxy = Proxy::balance(cluster.addresses()).await.unwrap();
    let client = Client::connect(&cluster.node(0).url("/")).await.unwrap();
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
    let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    client.channel().queue_declare(QUEUE.into(), options, arguments).await.unwrap();
    publish(&proxy, "evt_1").await;

    let leader = cluster.leader(QUEUE).await.unwrap();
    cluster.node(leader).kill().await.unwrap();
    publish(&proxy, "evt_2").await;
    cluster.node(leader).start_again().await.unwrap();
    cluster.together().await.unwrap();

    let alone = cluster.leader(QUEUE).await.unwrap();
    cluster.isolate(alone, Fault::Refuse).await.unwrap();
    publish(&proxy, "evt_3").await;
    let address = cluster.addresses()[alone];
    eventually("what is cut off takes nobody", LATER, || async move {
        tokio::net::TcpStream::connect(address).await.is_err().then_some(())
    })
    .await
    .unwrap();
    cluster.rejoin(alone).await.unwrap();
    cluster.together().await.unwrap();

    let client = Client::connect(&cluster.node(alone).url("/")).await.unwrap();
    let mut ids = Vec::new();
    while let Some(message) = client.take(QUEUE).await.unwrap() {
        ids.push(message.id().unwrap().to_owned());
    }
    ids.dedup();
    assert_eq!(ids, ["evt_1", "evt_2", "evt_3"]);
}

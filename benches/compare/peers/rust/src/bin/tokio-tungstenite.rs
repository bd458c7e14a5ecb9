//! tokio-tungstenite on tokio's loop of one thread: echo, and a loop over all sockets to publish.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use futures_util::{SinkExt as _, StreamExt as _};
use keirin_bench_peers::{MESSAGE_BYTES_MAX, arguments, listener};
use tokio::net::TcpStream;
use tokio::sync::mpsc::{self, UnboundedSender};
use tokio_tungstenite::accept_async_with_config;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::protocol::{Message, WebSocketConfig};

/// What everybody else is told, by the number of the socket.
type Room = Rc<RefCell<HashMap<usize, UnboundedSender<Message>>>>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let (port, mode) = arguments();
    let listener = tokio::net::TcpListener::from_std(listener(port))?;
    let room = Room::default();
    let publishes = mode == "pubsub";
    let tasks = tokio::task::LocalSet::new();
    tasks
        .run_until(async move {
            for number in 0.. {
                let (stream, _) = listener.accept().await?;
                stream.set_nodelay(true)?;
                let room = room.clone();
                tokio::task::spawn_local(async move {
                    // What ends a connection shows at the generator.
                    let _ = if publishes {
                        publish(stream, room, number).await
                    } else {
                        echo(stream).await
                    };
                });
            }
            Ok(())
        })
        .await
}

fn config() -> WebSocketConfig {
    WebSocketConfig::default()
        .max_message_size(Some(MESSAGE_BYTES_MAX))
        .max_frame_size(Some(MESSAGE_BYTES_MAX))
}

async fn echo(stream: TcpStream) -> Result<(), Error> {
    let mut socket = accept_async_with_config(stream, Some(config())).await?;
    while let Some(message) = socket.next().await {
        let message = message?;
        if message.is_text() || message.is_binary() {
            socket.send(message).await?;
        }
    }
    Ok(())
}

async fn publish(stream: TcpStream, room: Room, number: usize) -> Result<(), Error> {
    let (mut sink, mut source) = accept_async_with_config(stream, Some(config()))
        .await?
        .split();
    let (sender, mut queue) = mpsc::unbounded_channel();
    room.borrow_mut().insert(number, sender);
    let writer = tokio::task::spawn_local(async move {
        while let Some(message) = queue.recv().await {
            sink.feed(message).await?;
            // What else waits goes out in the same write.
            while let Ok(message) = queue.try_recv() {
                sink.feed(message).await?;
            }
            sink.flush().await?;
        }
        Ok::<_, Error>(())
    });
    while let Some(Ok(message)) = source.next().await {
        if !message.is_text() && !message.is_binary() {
            continue;
        }
        for (other, sender) in room.borrow().iter() {
            if *other != number {
                let _ = sender.send(message.clone());
            }
        }
    }
    room.borrow_mut().remove(&number);
    writer.abort();
    Ok(())
}

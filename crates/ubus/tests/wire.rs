//! Every recorded frame is read, and written again byte for byte from what was read.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "common/any.rs"]
mod any;
#[path = "common/recording.rs"]
mod recording;

use recording::Frame;
use ubus::message::{attr, Decoder, Kind, Message};
use ubus::{from_blobmsg, to_blobmsg, Attr, Attrs, Fields, Type, Value, Writer};

fn message(frame: &Frame) -> Message {
    let mut decoder = Decoder::default();
    decoder.push(&frame.bytes);
    let message = decoder.message().unwrap().unwrap();
    assert!(!decoder.is_ready(), "bytes are left over");
    message
}

/// Writes a blobmsg field anew from its value.
fn write_field(writer: &mut Writer<'_, Vec<u8>>, name: &[u8], value: Value<'_>) {
    let list = |writer: &mut Writer<'_, Vec<u8>>, fields: Fields<'_>| {
        for field in fields {
            let field = field.unwrap();
            write_field(writer, field.name, field.value);
        }
    };
    match value {
        Value::Null => writer.null(name),
        Value::Array(fields) => writer.array(name, |writer| list(writer, fields)),
        Value::Table(fields) => writer.table(name, |writer| list(writer, fields)),
        Value::String(text) => writer.string(name, text),
        Value::Int64(number) => writer.int64(name, number),
        Value::Int32(number) => writer.int32(name, number),
        Value::Int16(number) => writer.int16(name, number),
        Value::Int8(number) => writer.int8(name, number),
        Value::Double(number) => writer.double(name, number),
    }
}

/// Writes an attribute anew from what its id says it is.
fn write_attr(writer: &mut Writer<'_, Vec<u8>>, attr: Attr<'_>) {
    match attr.id {
        attr::STATUS | attr::OBJECT | attr::TYPE | attr::TARGET => {
            writer.u32_attr(attr.id, attr.as_u32().unwrap());
        }
        attr::PATH | attr::METHOD | attr::USER | attr::GROUP => {
            writer.text_attr(attr.id, attr.as_text().unwrap());
        }
        attr::DATA | attr::SIGNATURE => {
            let nested = writer.open_attr(attr.id);
            for field in Fields::new(attr.data) {
                let field = field.unwrap();
                write_field(writer, field.name, field.value);
            }
            writer.close(nested);
        }
        attr::SUBSCRIBERS => {
            let nested = writer.open_attr(attr.id);
            for id in attr.children() {
                writer.u32_attr(0, id.unwrap().as_u32().unwrap());
            }
            writer.close(nested);
        }
        attr::ACTIVE | attr::NO_REPLY => writer.attr(attr.id, &[attr.data[0]]),
        id => panic!("attribute {id}"),
    }
}

#[test]
fn every_frame_is_written_as_it_was_read() {
    let mut count = 0;
    for recording in recording::all() {
        for frame in recording.frames.iter().filter(|frame| !frame.is_eof()) {
            let read = message(frame);
            let header = (
                read.header.kind.id(),
                read.header.sequence,
                read.header.peer,
            );
            let recorded = (frame.kind as u8, frame.sequence as u16, frame.peer as u32);
            assert_eq!(header, recorded, "{}", recording.name);
            // The monitor has attributes of its own, in its messages and in the call that starts it.
            let monitor = recording.name == "monitor" && frame.connection == 1;
            let written = Message::new(read.header, |writer| {
                for attr in Attrs::new(&read.body) {
                    match monitor {
                        true => writer.attr(attr.unwrap().id, attr.unwrap().data),
                        false => write_attr(writer, attr.unwrap()),
                    }
                }
            });
            let mut bytes = Vec::new();
            written.unwrap().encode(&mut bytes);
            assert_eq!(bytes, frame.bytes, "{}: {read:?}", recording.name);
            count += 1;
        }
    }
    assert!(count > 150, "{count} frames");
}

#[test]
fn every_answer_goes_through_serde_unchanged() {
    let mut count = 0;
    for recording in recording::all() {
        for frame in &recording.frames {
            if frame.is_eof() || recording.name == "monitor" && frame.connection == 1 {
                continue;
            }
            let message = message(frame);
            let attributes = message.attributes().unwrap();
            for data in [attributes.data, attributes.signature]
                .into_iter()
                .flatten()
            {
                let value: any::Any = from_blobmsg(data).unwrap();
                assert_eq!(to_blobmsg(&value).unwrap(), data, "{}", recording.name);
                count += 1;
            }
        }
    }
    assert!(count > 90, "{count} messages");
}

/// What `ubus call` printed is what our reader reads, value for value.
#[test]
fn answers_read_as_ubus_printed_them() {
    let mut count = 0;
    for recording in recording::all() {
        for (index, program) in recording.programs.as_array().unwrap().iter().enumerate() {
            let called = program["argv"].to_string().contains("\"call\"");
            let Some(printed) = program["output"]
                .as_str()
                .filter(|text| called && text.starts_with('{'))
            else {
                continue;
            };
            let connection = index as u64 + 1;
            let mut answers = recording.frames.iter().filter(|frame| {
                frame.connection == connection && !frame.from_client && frame.kind == 2
            });
            let last = message(answers.next_back().unwrap());
            let data = last.attributes().unwrap().data.unwrap();
            let value: any::Any = from_blobmsg(data).unwrap();
            assert_eq!(value, any::any(printed), "{}", recording.name);
            count += 1;
        }
    }
    assert_eq!(count, 8, "answers");
}

#[test]
fn types_are_as_the_design_says() {
    let recording = recording::named("serve-types");
    let mut frames = recording
        .frames
        .iter()
        .filter(|frame| frame.kind == u64::from(Kind::Data.id()));
    let answer = message(frames.next_back().unwrap());
    let fields = Fields::new(answer.attributes().unwrap().data.unwrap());
    let kinds: Vec<_> = fields.map(|field| field.unwrap().value.kind()).collect();
    assert_eq!(
        kinds,
        [
            Type::String,
            Type::Int32,
            Type::Int32,
            Type::Int64,
            Type::Double,
            Type::Int8,
            Type::Null,
            Type::Array,
            Type::Table
        ]
    );
}

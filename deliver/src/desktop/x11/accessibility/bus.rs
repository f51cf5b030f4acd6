//! The accessibility bus: the calls of AT-SPI that are needed, and no more.

use std::{collections::HashMap, time::Duration};

use serde::{Deserialize, Serialize};
use tokio::time::timeout;
use zbus::{
    Connection, MatchRule, MessageStream, OwnedObjectPath, Type, connection, export::serde::de::DeserializeOwned,
};

use super::input_box::{Area, Part};

const REGISTRY: &str = "org.a11y.atspi.Registry";
const DESKTOP: &str = "/org/a11y/atspi/accessible/root";
const ACCESSIBLE: &str = "org.a11y.atspi.Accessible";
const COMPONENT: &str = "org.a11y.atspi.Component";
const COLLECTION: &str = "org.a11y.atspi.Collection";
const FOCUS_EVENT: &str = "object:state-changed:focused";

/// Parts of one window that are looked at: a page may have any number.
const PARTS_MAX: i32 = 64;
/// Programs that are looked at, and windows of one.
const OBJECTS_MAX: usize = 256;
/// Of a name that a message tells: it is any program's to choose.
const LABEL_CHARS_MAX: usize = 60;

/// Coordinates of the screen, and not of a window.
const OF_SCREEN: u32 = 0;
/// All states that are named, not any.
const MATCH_ALL: i32 = 1;
/// The order of the page.
const CANONICAL: u32 = 1;

/// An object of a program: its bus name and path.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, Type)]
pub(super) struct Object {
    program: String,
    path: OwnedObjectPath,
}

/// AtspiStateType: which are set, lowest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct States(u64);

impl States {
    const EDITABLE: Self = Self(1 << 7);
    const FOCUSABLE: Self = Self(1 << 11);
    const FOCUSED: Self = Self(1 << 12);

    const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    pub(super) const fn focused(self) -> bool {
        self.has(Self::FOCUSED)
    }

    fn of_words(words: &[u32]) -> Self {
        let low = words.first().copied().unwrap_or_default();
        let high = words.get(1).copied().unwrap_or_default();
        Self(u64::from(high) << 32 | u64::from(low))
    }

    /// As Collection has them: signed, where Accessible has them unsigned.
    fn signed_words(self) -> Vec<i32> {
        vec![(self.0 as u32).cast_signed(), ((self.0 >> 32) as u32).cast_signed()]
    }
}

/// A connection to it.
#[derive(Debug)]
pub(super) struct Bus {
    connection: Connection,
}

impl Bus {
    /// Connects to the bus of this session, if it runs.
    pub(super) async fn connect() -> zbus::Result<Self> {
        let address = match std::env::var("AT_SPI_BUS_ADDRESS") {
            Ok(address) if !address.is_empty() => address,
            _ => address_by_session().await?,
        };
        let bus = Self { connection: connection::Builder::address(address.as_str()).build().await? };
        // Without somebody who listens, programs tell of no focus.
        bus.tell(
            REGISTRY,
            "/org/a11y/atspi/registry",
            REGISTRY,
            "RegisterEvent",
            &(FOCUS_EVENT, Vec::<&str>::new(), ""),
        )
        .await?;
        Ok(bus)
    }

    /// The program of this process, if it is there.
    pub(super) async fn program(&self, pid: u32) -> zbus::Result<Option<Object>> {
        let desktop = Object { program: REGISTRY.into(), path: DESKTOP.try_into()? };
        for program in self.children(&desktop).await? {
            let asked = pid_of(&self.connection, &program.program).await;
            // Some may have gone meanwhile.
            if asked.is_ok_and(|its| its == pid) {
                return Ok(Some(program));
            }
        }
        Ok(None)
    }

    /// What is right below `object`: of a program, its windows.
    pub(super) async fn children(&self, object: &Object) -> zbus::Result<Vec<Object>> {
        let mut children: Vec<Object> = self.call(object, ACCESSIBLE, "GetChildren", &()).await?;
        children.truncate(OBJECTS_MAX);
        Ok(children)
    }

    /// Where `object` is on the screen.
    pub(super) async fn area(&self, object: &Object) -> zbus::Result<Area> {
        let (x, y, width, height) = self.call(object, COMPONENT, "GetExtents", &OF_SCREEN).await?;
        Ok(Area { x, y, width, height })
    }

    /// The states that are set.
    pub(super) async fn states(&self, object: &Object) -> zbus::Result<States> {
        let words: Vec<u32> = self.call(object, ACCESSIBLE, "GetState", &()).await?;
        Ok(States::of_words(&words))
    }

    /// What has the focus in a window.
    pub(super) async fn focused(&self, frame: &Object) -> zbus::Result<Vec<Part>> {
        self.parts(frame, States::FOCUSED).await
    }

    /// What can be typed into in a window.
    pub(super) async fn boxes(&self, frame: &Object) -> zbus::Result<Vec<Part>> {
        self.parts(frame, States::EDITABLE.and(States::FOCUSABLE)).await
    }

    async fn parts(&self, frame: &Object, states: States) -> zbus::Result<Vec<Part>> {
        let (no_attributes, no_roles, no_interfaces) =
            (HashMap::<&str, &str>::new(), Vec::<i32>::new(), Vec::<&str>::new());
        let rule = (
            states.signed_words(),
            MATCH_ALL,
            no_attributes,
            MATCH_ALL,
            no_roles,
            MATCH_ALL,
            no_interfaces,
            MATCH_ALL,
            false,
        );
        let question = (rule, CANONICAL, PARTS_MAX, true);
        let found: Vec<Object> = self.call(frame, COLLECTION, "GetMatches", &question).await?;
        let mut parts = Vec::with_capacity(found.len());
        for object in found.into_iter().take(PARTS_MAX as usize) {
            let area = self.area(&object).await?;
            let takes_text = self.states(&object).await?.has(States::EDITABLE);
            let label = self.label(&object).await?;
            parts.push(Part { object, label, area, takes_text });
        }
        Ok(parts)
    }

    /// What a person would call it: its role, and its name.
    async fn label(&self, object: &Object) -> zbus::Result<String> {
        let role: String = self.call(object, ACCESSIBLE, "GetRoleName", &()).await?;
        let property = (ACCESSIBLE, "Name");
        let name: zbus::OwnedVariant = self.call(object, "org.freedesktop.DBus.Properties", "Get", &property).await?;
        let name = String::try_from(name).unwrap_or_default();
        let printable =
            |text: &str| -> String { text.chars().filter(|c| !c.is_control()).take(LABEL_CHARS_MAX).collect() };
        Ok(match printable(&name) {
            name if name.is_empty() => format!("its {}", printable(&role)),
            name => format!("its {} \"{name}\"", printable(&role)),
        })
    }

    async fn call<Q, A>(&self, object: &Object, interface: &str, method: &str, question: &Q) -> zbus::Result<A>
    where
        Q: Serialize + zbus::DynamicType,
        A: DeserializeOwned + Type,
    {
        let Object { program, path } = object;
        let answer =
            self.connection.call_method(Some(program.as_str()), path, Some(interface), method, question).await?;
        answer.body().deserialize()
    }

    async fn tell<Q>(&self, to: &str, path: &str, interface: &str, method: &str, what: &Q) -> zbus::Result<()>
    where
        Q: Serialize + zbus::DynamicType,
    {
        self.connection.call_method(Some(to), path, Some(interface), method, what).await.map(drop)
    }
}

/// What a program tells of its focus.
pub(super) struct FocusEvents(MessageStream);

impl FocusEvents {
    /// From now on.
    pub(super) async fn of(bus: &Bus, program: &Object) -> zbus::Result<Self> {
        let rule = MatchRule::builder()
            .msg_type(zbus::message::Type::Signal)
            .sender(program.program.as_str())
            .interface("org.a11y.atspi.Event.Object")
            .member("StateChanged")
            .add_arg("focused")
            .build()?;
        Ok(Self(MessageStream::for_match_rule(rule, &bus.connection, None).await?))
    }

    /// Waits for the next one, or for `at_most`.
    pub(super) async fn wait(&mut self, at_most: Duration) {
        use zbus::export::futures_core::Stream as _;
        let next = std::future::poll_fn(|context| std::pin::Pin::new(&mut self.0).poll_next(context));
        // Whether one came or time passed, what follows is a look.
        let _either = timeout(at_most, next).await;
    }
}

/// The bus as the session tells it. It is not asked for where nobody runs it: that would start it.
async fn address_by_session() -> zbus::Result<String> {
    const LAUNCHER: &str = "org.a11y.Bus";
    let session = Connection::session().await?;
    pid_of(&session, LAUNCHER).await?;
    let answer = session.call_method(Some(LAUNCHER), "/org/a11y/bus", Some(LAUNCHER), "GetAddress", &()).await?;
    answer.body().deserialize()
}

/// The process behind a name on a bus, as the bus says; an error where there is none.
async fn pid_of(bus: &Connection, name: &str) -> zbus::Result<u32> {
    const DAEMON: &str = "org.freedesktop.DBus";
    let path = "/org/freedesktop/DBus";
    let answer = bus.call_method(Some(DAEMON), path, Some(DAEMON), "GetConnectionUnixProcessID", &name).await?;
    answer.body().deserialize()
}

#[cfg(test)]
impl Object {
    /// One for tests.
    pub(super) fn named(name: &str) -> Self {
        Self { program: name.into(), path: DESKTOP.try_into().unwrap() }
    }
}

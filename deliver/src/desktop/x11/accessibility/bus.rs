//! The accessibility bus: the calls of AT-SPI that are needed, and no more.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use zbus::{Connection, OwnedObjectPath, Type, connection, export::serde::de::DeserializeOwned};

use super::input_box::Area;

const REGISTRY: &str = "org.a11y.atspi.Registry";
const DESKTOP: &str = "/org/a11y/atspi/accessible/root";
/// The path that stands for no object.
const NOTHING: &str = "/org/a11y/atspi/null";
const ACCESSIBLE: &str = "org.a11y.atspi.Accessible";
const COMPONENT: &str = "org.a11y.atspi.Component";
const TEXT: &str = "org.a11y.atspi.Text";
const PROPERTIES: &str = "org.freedesktop.DBus.Properties";

/// How long one answer may take: a program that hangs tells nothing.
const ANSWER_WITHIN: Duration = Duration::from_millis(250);
/// Programs that are looked at, and windows of one.
const OBJECTS_MAX: usize = 256;
/// Coordinates of the screen, and not of a window.
const OF_SCREEN: u32 = 0;

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
    const fn has(self, bit: u32) -> bool {
        self.0 & (1 << bit) != 0
    }

    pub(super) const fn active(self) -> bool {
        self.has(1)
    }

    pub(super) const fn takes_text(self) -> bool {
        self.has(7) && self.has(11)
    }

    pub(super) const fn focused(self) -> bool {
        self.has(12)
    }

    /// Its list of proposals may have the focus in its place, though it takes the keys.
    pub(super) const fn proposes(self) -> bool {
        self.has(37)
    }

    fn of_words(words: &[u32]) -> Self {
        let low = words.first().copied().unwrap_or_default();
        let high = words.get(1).copied().unwrap_or_default();
        Self(u64::from(high) << 32 | u64::from(low))
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
        let builder = connection::Builder::address(address.as_str()).method_timeout(ANSWER_WITHIN);
        Ok(Self { connection: builder.build().await? })
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

    /// What is right below a point in `object`, as far as that says: browsers say the deepest, toolkits the next.
    pub(super) async fn at(&self, object: &Object, (x, y): (i32, i32)) -> zbus::Result<Option<Object>> {
        let found: Object = self.call(object, COMPONENT, "GetAccessibleAtPoint", &(x, y, OF_SCREEN)).await?;
        Ok(Some(found).filter(|found| found.path.as_str() != NOTHING && found != object))
    }

    /// What `object` lies in.
    pub(super) async fn parent(&self, object: &Object) -> zbus::Result<Option<Object>> {
        let parent = self.property(object, ACCESSIBLE, "Parent").await?;
        let (program, path) = <(String, OwnedObjectPath)>::try_from(parent)?;
        Ok(Some(Object { program, path }).filter(|parent| parent.path.as_str() != NOTHING))
    }

    /// How much text is in it.
    pub(super) async fn characters(&self, object: &Object) -> zbus::Result<i32> {
        self.property(object, TEXT, "CharacterCount").await?.try_into()
    }

    async fn property(&self, object: &Object, interface: &str, name: &str) -> zbus::Result<zbus::OwnedVariant> {
        self.call(object, PROPERTIES, "Get", &(interface, name)).await
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
}

/// The bus as the session tells it, where accessibility is on. Asked for elsewhere, it would be started.
async fn address_by_session() -> zbus::Result<String> {
    const LAUNCHER: &str = "org.a11y.Bus";
    const PATH: &str = "/org/a11y/bus";
    let session = Connection::session().await?;
    pid_of(&session, LAUNCHER).await?;
    let question = ("org.a11y.Status", "IsEnabled");
    let answer = session.call_method(Some(LAUNCHER), PATH, Some(PROPERTIES), "Get", &question).await?;
    let enabled: zbus::OwnedVariant = answer.body().deserialize()?;
    if !bool::try_from(enabled)? {
        return Err(zbus::Error::Failure("accessibility is off in this session".into()));
    }
    let answer = session.call_method(Some(LAUNCHER), PATH, Some(LAUNCHER), "GetAddress", &()).await?;
    answer.body().deserialize()
}

/// The process behind a name on a bus, as the bus says; an error where there is none.
async fn pid_of(bus: &Connection, name: &str) -> zbus::Result<u32> {
    const DAEMON: &str = "org.freedesktop.DBus";
    let path = "/org/freedesktop/DBus";
    let answer = bus.call_method(Some(DAEMON), path, Some(DAEMON), "GetConnectionUnixProcessID", &name).await?;
    answer.body().deserialize()
}

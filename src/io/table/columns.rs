//! Columns of a table: what a header calls rows, columns, values and weights.

/// Meaning of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::io) enum Role {
    Row,
    Column,
    Value,
    Weight,
}

impl Role {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Row => "row",
            Self::Column => "column",
            Self::Value => "value",
            Self::Weight => "weight",
        }
    }
}

/// What a name says.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Meaning {
    Is(Role),
    Ignored,
    Unknown,
}

const ROWS: &[&str] = &[
    "row",
    "rows",
    "rowid",
    "user",
    "users",
    "userid",
    "userno",
    "uid",
    "customer",
    "customerid",
    "reviewer",
    "reviewerid",
    "member",
    "memberid",
    "visitorid",
    "person",
    "personid",
    "patient",
    "patientid",
    "gene",
    "source",
    "from",
];
const COLUMNS: &[&str] = &[
    "column",
    "columns",
    "columnid",
    "col",
    "cols",
    "item",
    "items",
    "itemid",
    "iid",
    "movie",
    "movieid",
    "product",
    "productid",
    "asin",
    "isbn",
    "book",
    "bookid",
    "track",
    "trackid",
    "song",
    "songid",
    "artist",
    "artistid",
    "anime",
    "animeid",
    "joke",
    "jokeid",
    "business",
    "businessid",
    "recipeid",
    "article",
    "articleid",
    "drug",
    "drugid",
    "target",
    "to",
];
const VALUES: &[&str] = &[
    "value",
    "values",
    "val",
    "rating",
    "ratings",
    "overall",
    "score",
    "scores",
    "stars",
    "grade",
    "count",
    "counts",
    "plays",
    "playcount",
    "listens",
    "clicks",
    "quantity",
    "measurement",
    "distance",
    "data",
    "entry",
];
const WEIGHTS: &[&str] = &["weight", "weights", "confidence"];
const IGNORED: &[&str] = &[
    "timestamp",
    "timestamps",
    "time",
    "date",
    "datetime",
    "ratingtimestamp",
    "unixreviewtime",
    "reviewtime",
    "title",
    "titles",
    "name",
    "genre",
    "genres",
    "review",
    "comment",
    "tag",
];
/// Names of one letter mean something in pairs only.
const PAIRS: [(&str, &str, &str); 4] = [("i", "j", "v"), ("u", "i", "r"), ("r", "c", "v"), ("i", "j", "x")];

/// Letters and digits of a name, in small letters.
fn bare(name: &str) -> String {
    name.chars().filter(|letter| letter.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// Whether two names are the same but for case and signs between words.
pub(super) fn is_same(one: &str, other: &str) -> bool {
    one.trim() == other.trim() || bare(one) == bare(other) && !bare(one).is_empty()
}

fn meaning(name: &str, pair: Option<&(&str, &str, &str)>) -> Meaning {
    let name = bare(name);
    let among = |names: &[&str]| names.contains(&name.as_str());
    match pair {
        Some((row, _, _)) if name == *row => return Meaning::Is(Role::Row),
        Some((_, column, _)) if name == *column => return Meaning::Is(Role::Column),
        Some((_, _, value)) if name == *value => return Meaning::Is(Role::Value),
        Some(_) if name == "w" => return Meaning::Is(Role::Weight),
        _ => {}
    }
    if among(ROWS) {
        Meaning::Is(Role::Row)
    } else if among(COLUMNS) {
        Meaning::Is(Role::Column)
    } else if among(VALUES) {
        Meaning::Is(Role::Value)
    } else if among(WEIGHTS) {
        Meaning::Is(Role::Weight)
    } else if among(IGNORED) {
        Meaning::Ignored
    } else {
        Meaning::Unknown
    }
}

/// Places of the roles among the columns.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Places {
    pub row: Option<usize>,
    pub column: Option<usize>,
    pub value: Option<usize>,
    pub weight: Option<usize>,
}

impl Places {
    pub(super) fn get(&self, role: Role) -> Option<usize> {
        match role {
            Role::Row => self.row,
            Role::Column => self.column,
            Role::Value => self.value,
            Role::Weight => self.weight,
        }
    }

    pub(super) fn set(&mut self, role: Role, at: usize) {
        let place = match role {
            Role::Row => &mut self.row,
            Role::Column => &mut self.column,
            Role::Value => &mut self.value,
            Role::Weight => &mut self.weight,
        };
        *place = Some(at);
    }

    /// The first of the needed roles, in their order.
    pub(super) fn in_order(needed: &[Role], first: usize) -> Self {
        let mut places = Self::default();
        needed.iter().enumerate().for_each(|(at, role)| places.set(*role, first + at));
        places
    }
}

/// What a header says about the needed roles.
#[derive(Debug, PartialEq)]
pub(super) enum Understood {
    /// Every needed role has its column.
    Places(Places),
    /// Two columns have one role.
    Twice(Role, usize, usize),
    /// Some roles have none.
    Missing {
        /// Roles that the names did give.
        known: Places,
    },
}

/// Whether at least two of the names have a role or are known to be of no use.
pub(super) fn look_like_names(names: &[String]) -> bool {
    let pair = pair(names);
    names.iter().filter(|name| meaning(name, pair) != Meaning::Unknown).count() >= 2.min(names.len())
}

fn pair(names: &[String]) -> Option<&'static (&'static str, &'static str, &'static str)> {
    let has = |wanted: &str| names.iter().any(|name| bare(name) == wanted);
    PAIRS
        .iter()
        .find(|(row, column, value)| has(row) && has(column) && has(value))
        .or_else(|| PAIRS.iter().find(|(row, column, _)| has(row) && has(column)))
}

/// Understands the names of a header. A single unknown column takes a single missing role; `first` is the first column that is
/// no index.
pub(super) fn understand(names: &[String], needed: &[Role], first: usize) -> Understood {
    let pair = pair(names);
    let (mut places, mut unknown) = (Places::default(), Vec::new());
    for (at, name) in names.iter().enumerate().skip(first) {
        match meaning(name, pair) {
            Meaning::Is(role) if role == Role::Weight || needed.contains(&role) => match places.get(role) {
                Some(other) => return Understood::Twice(role, other, at),
                None => places.set(role, at),
            },
            Meaning::Is(_) | Meaning::Ignored => {}
            Meaning::Unknown => unknown.push(at),
        }
    }
    let missing: Vec<Role> = needed.iter().copied().filter(|role| places.get(*role).is_none()).collect();
    let tight = names.len() - first == needed.len();
    if missing.len() == unknown.len() && (missing.len() == 1 || tight) {
        missing.iter().zip(&unknown).for_each(|(role, at)| places.set(*role, *at));
    } else if !missing.is_empty() {
        return Understood::Missing { known: places };
    }
    Understood::Places(places)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENTRIES: [Role; 3] = [Role::Row, Role::Column, Role::Value];

    fn of(header: &str) -> Understood {
        let names: Vec<String> = header.split(',').map(String::from).collect();
        understand(&names, &ENTRIES, 0)
    }

    fn places(row: usize, column: usize, value: usize) -> Understood {
        Understood::Places(Places { row: Some(row), column: Some(column), value: Some(value), weight: None })
    }

    #[test]
    fn names_decide() {
        for (header, wanted) in [
            ("userId,movieId,rating,timestamp", places(0, 1, 2)),
            ("rating,userId,movieId", places(1, 2, 0)),
            ("User_id,Item id,Score", places(0, 1, 2)),
            ("u,i,r,time", places(0, 1, 2)),
            ("j,i,v", places(1, 0, 2)),
            ("r,c,v", places(0, 1, 2)),
            ("a,b,c", places(0, 1, 2)),
            ("movieId,who,rating", places(1, 0, 2)),
            ("userId,movieId,title,rating", places(0, 1, 3)),
        ] {
            assert_eq!(of(header), wanted, "{header}");
        }
        assert_eq!(of("user,userId,item,rating"), Understood::Twice(Role::Row, 0, 1));
        assert!(matches!(of("a,b,c,d"), Understood::Missing { .. }));
        let Understood::Places(weighted) = of("row,column,value,weight") else { panic!() };
        assert_eq!(weighted.weight, Some(3));
    }
}

//! Options of sampled entries.

use crate::options::OptionKind::{File, Number, Switch, Text};
use crate::options::{MEASUREMENTS, OptionCard};

pub(crate) const OPTIONS: &[OptionCard] = &[
    OptionCard::new(
        "entries",
        File,
        "FILE",
        MEASUREMENTS,
        "Sampled entries of the unknown: a table with row, column and value in each line (CSV and its relatives, also packed by \
         gzip), a table or a NumPy array of the matrix with NaN for holes, a Matrix Market file, or a scipy.sparse .npz",
    )
    .program_only(),
    OptionCard::new("index_base", Text, "0|1", MEASUREMENTS, "First index of rows and columns in a table, with --shape")
        .program_only()
        .chosen("0; Matrix Market is always 1")
        .requires(&["entries"]),
    OptionCard::new(
        "columns",
        Text,
        "ROW,COLUMN,VALUE",
        MEASUREMENTS,
        "Columns of row, column, value and, if there is one, weight in a table of entries: names, or numbers from 1",
    )
    .program_only()
    .chosen("by the names of the header")
    .requires(&["entries"]),
    OptionCard::new("header", Text, "yes|no", MEASUREMENTS, "Whether a table of entries begins with a line of names")
        .program_only()
        .chosen("from the file")
        .requires(&["entries"]),
    OptionCard::new(
        "table",
        Text,
        "long|wide",
        MEASUREMENTS,
        "Form of a table or array of entries: a line for each entry, or a line for each row of the matrix",
    )
    .program_only()
    .chosen("from the file")
    .requires(&["entries"]),
    OptionCard::new(
        "duplicates",
        Text,
        "WORD",
        MEASUREMENTS,
        "What several entries of one position mean: mean, last, sum or refuse",
    )
    .program_only()
    .chosen("mean; sum for Matrix Market and scipy")
    .requires(&["entries"]),
    OptionCard::new(
        "implicit",
        Number,
        "α",
        MEASUREMENTS,
        "The entries are counts of events, such as plays or clicks: every entry of the matrix is 1 where its count is positive, else \
         0, with the confidence 1 + α·count; a holdout also ranks the held-out entries among the unseen ones",
    )
    .excludes(&["biases", "scale_columns"])
    .of(&["solve"]),
    OptionCard::new(
        "loss_unseen",
        Text,
        "hinge:t",
        MEASUREMENTS,
        "Entries are seen where they reach a threshold t: hinge:t adds max(Z − t, 0)²/2 over all others, so that a random start \
         finds the matrix",
    )
    .excludes(&["biases", "scale_columns", "implicit"])
    .of(&["solve"]),
    OptionCard::new(
        "biases",
        Switch,
        "",
        MEASUREMENTS,
        "Subtract the mean of the entries and the offsets of rows and columns first; factors explain the rest",
    )
    .program_only()
    .requires(&["entries"]),
    OptionCard::new(
        "scale_columns",
        Switch,
        "",
        MEASUREMENTS,
        "Divide the entries of each column by their spread first, for columns of different units",
    )
    .program_only()
    .requires(&["entries"]),
];

"""All limits of the document and the wire, in one place, each with its reason.

A limit is checked before memory is allocated for what it limits.
"""

from typing import Final

KIB: Final = 1024
MIB: Final = 1024 * KIB

HASH_BYTES: Final = 32  # BLAKE3 and Ed25519 public keys alike
SIGNATURE_BYTES: Final = 64

BODY_BYTES: Final = 64 * KIB  # one entry; larger payloads travel as blobs
BODY_DEPTH: Final = 8  # nesting of arrays; operations need five
INTEGER_MIN: Final = -(2**63)  # int64, so that every language can hold it
INTEGER_MAX: Final = 2**63 - 1
TIMESTAMP_MAX: Final = 2**63 - 1  # 48 bits of milliseconds, 16 of counter, never negative
POSITION_MAX: Final = 2**40 - 1  # of one feed: a million entries a second for twelve days

WINDOW_ENTRIES: Final = 1024  # a feed is sealed at least this often,
WINDOW_BYTES: Final = MIB  # or after this many bytes of bodies
PIECE_BYTES: Final = WINDOW_BYTES + BODY_BYTES  # one window and the body that closed it

FRONTIER_ITEMS: Final = 4096  # feeds that one checkpoint can move
WITNESSES: Final = 15  # of one view; each cosigns every checkpoint
PROPOSALS: Final = 8  # for one view that one device may give its word for
COSIGNED_AHEAD: Final = 16  # checkpoints beyond the counted ones that one witness may cosign
CHECKPOINTS_AHEAD: Final = (
    1024  # that may wait for cosignatures; more when one is known to have them
)
STATEMENT_BYTES: Final = 512 * KIB  # a checkpoint with a full frontier is about 310 KiB
# Of two branches that part in one window each brings its body hashes up to its next seal, which
# stands at the window's end at the latest: 1,024 hashes of 32 bytes a branch.
FORK_PROOF_BYTES: Final = 2 * WINDOW_ENTRIES * HASH_BYTES + KIB
GENESIS_BYTES: Final = 64 * KIB
EARLY_PROOFS: Final = 64  # fork proofs kept in memory until their feeds come, 4 MiB

# What is taken of what no checkpoint names yet; what is named is always taken.
QUOTA_WINDOWS: Final = 16  # of one feed: 16,384 entries or some 16 MiB, weeks of work offline
QUOTA_FEEDS: Final = FRONTIER_ITEMS  # new ones of one sponsor: what one checkpoint can name
QUOTA_BYTES: Final = 64 * MIB  # of them together

SAVED_STATES: Final = 64  # counted checkpoints that the state can go back to without the entries
STATE_CHUNK_BYTES: Final = 256 * KIB  # of a state's rows, verified when all of them are there
STATE_ROW_BYTES: Final = 128 * KIB  # a row holds at most what a body could bring
READ_AHEAD_ENTRIES: Final = 16_384  # read from storage and kept in memory for the next question

PROOF_BYTES: Final = 512 * KIB  # a task with 64 seats in a state of a billion rows: 110 KiB
PROOF_ROWS: Final = 128  # a task and its seats are 65
PLACE_BITS: Final = 8 * HASH_BYTES  # a row's path cannot be longer

CLOCK_SKEW_MS: Final = 60_000  # further ahead than this, a timestamp is not followed

# The wire: what one frame, one page and one link may hold.
FRAME_BYTES: Final = STATEMENT_BYTES + KIB  # the largest single thing is a statement
FRAME_FILL_BYTES: Final = 128 * KIB  # a frame of many things is closed once it is this large
PAGE_LEAVES: Final = 512  # about 40 KiB
PAGE_NODES: Final = 2048  # of the tree over the leaves, about 24 KiB
NONCE_BYTES: Final = 16  # from both sides, so that nobody knows a session's key beforehand
NODE_BYTES: Final = 8  # of a node's hash: a difference stays unseen once in 2^64 sessions
# Where one side has at most so many feeds, both send their leaves: one exchange more would cost
# more than it saves. The first so many, 10 KiB, are what a new TCP connection sends at once.
VECTOR_LEAVES: Final = 128
SPAN_LEAVES: Final = 32
PAGE_IDS: Final = 4096  # of statements held beside the counted checkpoints, 136 KiB
LINK_IDS: Final = 65_536  # a side names no more of them
REMEMBERED_STATEMENTS: Final = 1024  # that came over a link, so that they are not sent back
REPEATED_STATEMENTS: Final = 64  # of those, that come again: nobody says a thing twice
# Brought over a link, beyond twice what is held, since links cross; or asked for again, since what
# had to wait for others is.
USELESS_ENTRIES: Final = 65_536
LINKS_BYTES: Final = 64 * MIB  # of pieces that all links of a process have begun to bring
LINK_FEEDS: Final = 100_000  # a vector of leaves names no more; it is kept in memory
# Feeds and statements that one link names and nobody here has heard of take some 270 bytes each. So
# many each link has to itself, and so many more all links share: a newcomer learns of a market of
# 100,000 feeds over one of them.
LINK_NAMES: Final = 1024
SHARED_NAMES: Final = 131_072
PROBE_POSITIONS: Final = 32  # compared at a time in the search for a fork
OPENINGS: Final = 16  # that an end of a link shows for its membership: its own, its inviter's, ...
OPENING_BYTES: Final = 2 * KIB  # each; the largest honest one has about 700
WANTS: Final = 4096  # asked for and not answered, on one link
BLOB_BYTES: Final = (
    64 * MIB
)  # what travels beside the entries; held in memory whole when it is used
BLOB_PIECE_BYTES: Final = 64 * KIB  # verified one by one as they come
BLOB_PIECES: Final = BLOB_BYTES // BLOB_PIECE_BYTES  # so an outline is 32 KiB at most
STATE_SECTIONS: Final = 1024  # of a state file, each at most a blob: 64 GiB in all
BLOB_PIECES_ASKED: Final = 16  # asked for and not answered, on one link: 1 MiB a round trip

# A document file of others: what opening one may take. An honest file takes some 4 KiB of memory
# an entry, of which it has 3 to 100 bytes; a hostile one would take whatever it gets. So a market
# of some 250,000 entries still fits; larger ones travel as bundles.
DOCUMENT_BYTES: Final = 256 * MIB
CHANGE_BYTES: Final = STATEMENT_BYTES + KIB  # the largest change holds a statement
OPENING_MEMORY_BYTES: Final = KIB * MIB  # and so many for each byte of the file:
OPENING_MEMORY_FACTOR: Final = 64
OPENING_OUTPUT_BYTES: Final = 256 * MIB  # and so many for each byte of the file:
OPENING_OUTPUT_FACTOR: Final = 16
OPENING_SECONDS: Final = 10  # of processor or wall; an honest file takes half a second a MiB,
OPENING_MIB_SECONDS: Final = 4  # and on a slow machine it may take longer

# A folder that others write to, too: what one pass looks at. A file is closed at the fill or one
# window later, so the rest is room for its frames and its encryption.
FOLDER_FILL_BYTES: Final = 8 * MIB
FOLDER_FILE_BYTES: Final = 16 * MIB
FOLDER_FILES: Final = 16_384  # of one market: at most some 35 small files a writer, and large ones
FOLDER_NAMES: Final = 1_000_000  # looked at, whatever they are, and forgotten
FOLDER_PASS_BYTES: Final = 256 * MIB  # read in one pass; the next one goes on
FOLDER_SMALL_FILES: Final = 8  # of one writer and about one size, before it puts them together

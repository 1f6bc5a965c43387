"""The ways in: tus, forms and raw bodies, presigned PUT, the command line. All end in `media.intake.admit`.

receiving     a stream becomes a blob: counted, hashed and looked at in one pass
room          how much may still come: the size limit and the library's quota
places        where a file may go: a live folder of the same library
locks         one writer at a time on a growing upload
digests       hash states this process keeps between two requests of one upload
passage       the bytes of one request on their way into a growing blob
multipart     files of a form, streamed while they are parsed
tus           create, append, terminate: the protocol without HTTP
concatenation several partial uploads become one file
expiry        how long an unfinished upload lives
finishing     a complete blob becomes a file, once
presigned     permission to PUT to the store, then the confirm
importing     folders of this machine
watching      the same, as they change
"""

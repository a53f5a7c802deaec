#ifndef MOONDIAL_CMONGO_H
#define MOONDIAL_CMONGO_H

/* Only that libbson is linked. Their headers are for CMongoShim: `bson_t` lies on 128 bytes, which Swift does
   not keep. */

#endif

/* Asks a served model through TensorFlow's C API, without Python.

   served_model FOLDER NAME=TENSOR... FRAME NEXT_FRAME...

   Loads the SavedModel in FOLDER and feeds pairs of image files as they are, as
   one batch. The tensors of serving_default's inputs and outputs (five,
   motion_magnitude of a model that sees motion, familiarity of one that knows
   its training films, and error of one that says what is wrong with an image)
   are given by its names, as
   `saved_model_cli show --all --dir FOLDER` prints them:
   frame_bytes=serving_default_frame_bytes:0 and so on. Prints what TensorFlow
   Serving's REST API would; errors go to standard error, with exit code 1.
   Build it with T, the folder of Python's tensorflow package:

   gcc -std=c11 -I$T/include served_model.c -o served_model \
       $T/libtensorflow_cc.so.2 $T/libtensorflow_framework.so.2 -Wl,-rpath,$T
*/

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tensorflow/c/c_api.h"

enum {
  FRAME_BYTES,
  NEXT_FRAME_BYTES,
  GENRE,
  SCORES,
  GENRES,
  MOTION_MAGNITUDE,
  FAMILIARITY,
  ERROR,
  NUM_TENSORS
};
#define NUM_INPUTS 2
/* From here on, a model need not have them. */
#define NUM_ALWAYS MOTION_MAGNITUDE

static const char* const names[NUM_TENSORS] = {
    "frame_bytes", "next_frame_bytes", "genre",      "scores",
    "genres",      "motion_magnitude", "familiarity", "error"};

static _Noreturn void fail(const char* subject, const char* reason) {
  fprintf(stderr, "error: %s: %s\n", subject, reason);
  exit(1);
}

static void check(const TF_Status* status, const char* subject) {
  if (TF_GetCode(status) != TF_OK) fail(subject, TF_Message(status));
}

/* Reads a whole file; its size goes to `size`. */
static char* read_file(const char* path, size_t* size) {
  FILE* file = fopen(path, "rb");
  if (!file) fail(path, "cannot be opened");
  char* data = NULL;
  size_t room = 0;
  *size = 0;
  do {
    if (*size == room) {
      room = room ? 2 * room : 1 << 16;
      data = realloc(data, room);
      if (!data) fail(path, "too large for the memory");
    }
    *size += fread(data + *size, 1, room - *size, file);
  } while (*size == room);
  if (ferror(file)) fail(path, "cannot be read");
  fclose(file);
  return data;
}

/* Makes a string tensor (pairs,) of every other file. */
static TF_Tensor* image_tensor(char** paths, int64_t pairs) {
  TF_Tensor* tensor =
      TF_AllocateTensor(TF_STRING, &pairs, 1, pairs * sizeof(TF_TString));
  TF_TString* strings = TF_TensorData(tensor);
  for (int64_t i = 0; i < pairs; ++i) {
    size_t size;
    char* data = read_file(paths[NUM_INPUTS * i], &size);
    TF_StringInit(&strings[i]);
    TF_StringCopy(&strings[i], data, size);
    free(data);
  }
  return tensor;
}

/* Finds the argument of a name, such as "name=operation:0"; NULL if none. */
static char* find_argument(const char* name, char** arguments, int count) {
  size_t length = strlen(name);
  for (int i = 0; i < count; ++i) {
    if (!strncmp(arguments[i], name, length) && arguments[i][length] == '=') {
      return arguments[i];
    }
  }
  return NULL;
}

/* Finds the tensor of a name in the arguments. */
static TF_Output find_tensor(TF_Graph* graph, const char* name,
                             char** arguments, int count) {
  char* argument = find_argument(name, arguments, count);
  if (!argument) fail(name, "expected NAME=TENSOR of it");
  char* operation = argument + strlen(name) + 1;
  char* colon = strrchr(operation, ':');
  if (!colon) fail(argument, "expected NAME=OPERATION:PLACE");
  *colon = '\0';
  TF_Output output = {TF_GraphOperationByName(graph, operation),
                      atoi(colon + 1)};
  if (!output.oper || output.index < 0 ||
      output.index >= TF_OperationNumOutputs(output.oper)) {
    fail(name, "no such tensor in the model");
  }
  return output;
}

/* Checks a result's type and shape: (rows,) or (rows, columns). */
static void check_result(const TF_Tensor* tensor, const char* name,
                         TF_DataType type, int64_t rows, int64_t columns) {
  int num_dims = columns ? 2 : 1;
  if (TF_TensorType(tensor) != type || TF_NumDims(tensor) != num_dims ||
      TF_Dim(tensor, 0) != rows ||
      (columns && TF_Dim(tensor, 1) != columns)) {
    fail(name, "of another type or shape than a served model's");
  }
}

/* Prints a string as JSON; neither genres nor errors need escaping. */
static void print_string(const TF_TString* string) {
  printf("\"%.*s\"", (int)TF_StringGetSize(string),
         TF_StringGetDataPointer(string));
}

/* Which of the names the tensor at a place has is in `which`. */
static void print_answers(TF_Tensor** results, const int* which,
                          int num_tensors, int64_t rows) {
  TF_Tensor* scores_tensor = results[SCORES - NUM_INPUTS];
  int64_t columns =
      TF_NumDims(scores_tensor) == 2 ? TF_Dim(scores_tensor, 1) : 0;
  if (!columns) fail("scores", "expected a score for each genre");
  const void* data[NUM_TENSORS];
  for (int i = NUM_INPUTS; i < num_tensors; ++i) {
    int is_string = i == GENRE || i == GENRES || which[i] == ERROR;
    int is_table = i == SCORES || i == GENRES;
    check_result(results[i - NUM_INPUTS], names[which[i]],
                 is_string ? TF_STRING : TF_FLOAT, rows,
                 is_table ? columns : 0);
    data[i] = TF_TensorData(results[i - NUM_INPUTS]);
  }
  printf("{\"predictions\": [");
  for (int64_t row = 0; row < rows; ++row) {
    printf("%s\n{\"genre\": ", row ? "," : "");
    print_string((const TF_TString*)data[GENRE] + row);
    printf(", \"scores\": [");
    for (int64_t i = row * columns; i < (row + 1) * columns; ++i) {
      printf("%s%.9g", i > row * columns ? ", " : "",
             ((const float*)data[SCORES])[i]);
    }
    printf("], \"genres\": [");
    for (int64_t i = row * columns; i < (row + 1) * columns; ++i) {
      if (i > row * columns) printf(", ");
      print_string((const TF_TString*)data[GENRES] + i);
    }
    printf("]");
    for (int i = NUM_ALWAYS; i < num_tensors; ++i) {
      printf(", \"%s\": ", names[which[i]]);
      if (which[i] == ERROR) {
        print_string((const TF_TString*)data[i] + row);
      } else {
        printf("%.9g", ((const float*)data[i])[row]);
      }
    }
    printf("}");
  }
  printf("\n]}\n");
}

int main(int count, char** arguments) {
  const char* program = arguments[0];
  int which[NUM_TENSORS], num_tensors = 0;
  for (int i = 0; i < NUM_TENSORS; ++i) {
    if (i < NUM_ALWAYS || find_argument(names[i], arguments + 1, count - 1)) {
      which[num_tensors++] = i;
    }
  }
  int num_files = count - 2 - num_tensors;
  if (num_files < NUM_INPUTS || num_files % NUM_INPUTS) {
    fail(program,
         "expected FOLDER, five to eight NAME=TENSOR, FRAME NEXT_FRAME...");
  }
  int64_t pairs = num_files / NUM_INPUTS;
  char** files = arguments + 2 + num_tensors;
  TF_Status* status = TF_NewStatus();
  TF_Graph* graph = TF_NewGraph();
  TF_SessionOptions* options = TF_NewSessionOptions();
  const char* tag = "serve";
  TF_Session* session = TF_LoadSessionFromSavedModel(
      options, NULL, arguments[1], &tag, 1, graph, NULL, status);
  check(status, arguments[1]);
  TF_DeleteSessionOptions(options);

  TF_Output tensors[NUM_TENSORS];
  for (int i = 0; i < num_tensors; ++i) {
    tensors[i] = find_tensor(graph, names[which[i]], arguments + 2, num_tensors);
  }
  TF_Tensor* images[NUM_INPUTS] = {image_tensor(files, pairs),
                                   image_tensor(files + 1, pairs)};
  TF_Tensor* results[NUM_TENSORS - NUM_INPUTS];
  TF_SessionRun(session, NULL, tensors, images, NUM_INPUTS,
                tensors + NUM_INPUTS, results, num_tensors - NUM_INPUTS, NULL,
                0, NULL, status);
  check(status, "the model");
  print_answers(results, which, num_tensors, pairs);

  for (int i = 0; i < NUM_INPUTS; ++i) {
    TF_TString* strings = TF_TensorData(images[i]);
    for (int64_t pair = 0; pair < pairs; ++pair) {
      TF_StringDealloc(&strings[pair]);
    }
    TF_DeleteTensor(images[i]);
  }
  for (int i = 0; i < num_tensors - NUM_INPUTS; ++i) {
    TF_DeleteTensor(results[i]);
  }
  TF_CloseSession(session, status);
  check(status, "the session");
  TF_DeleteSession(session, status);
  TF_DeleteGraph(graph);
  TF_DeleteStatus(status);
  return 0;
}

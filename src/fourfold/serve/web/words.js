// Every word of the page, in three languages.
const WORDS = {
  en: {
    title: "Make a small photo sharp and large", choose: "Choose photos", camera: "Take a photo", settings: "Style and strength",
    task: "What to do", task_upscale: "Make it large and sharp", task_deblur: "Undo camera shake; the size stays",
    deblurred: "The camera shake was undone.", unchanged: "There was no shake to undo: the photo is as it was.",
    style: "Style", style_auto: "Automatic", style_faithful: "Faithful: only what the photo holds", style_natural: "Natural: noise and JPEG damage gone, crisp by estimate",
    strength: "Strength of the repair", pages: "Page, of a file with several pictures", where: "Where the work is done", where_auto: "On the computer, else on this device",
    where_server: "On the computer", where_device: "On this device; nothing is uploaded", language: "Language",
    ask: "Ask the scientist", ask_hint: "A question, or a whole brief with its sources. It answers only from the sources it is given.",
    ask_send: "Ask", asking: "Thinking …", foot: "Nothing leaves your own devices. Detail finer than the photo itself is the network's estimate, not evidence.",
    waiting: "Waiting for its turn", uploading: "Sending to your computer", working: "Working", tiles: "{done} of {total} parts done",
    again: "Begun again after an interruption", on_server: "Made on your computer in {seconds} s.", on_device: "Made on this device in {seconds} s with {engine}; nothing was uploaded. Place and date in the file are not kept here.",
    kept: "Shrunk back, it agrees with your photo to {decibel} dB.", kept_exact: "Shrunk back, it is exactly your photo.",
    chosen_faithful: "Style: faithful.", chosen_natural: "Style: natural.",
    before: "Before", after: "After", slide: "Slide to compare", save: "Save", share: "Share", why: "Why it looks sharp", cancel: "Cancel", remove: "Remove", retry: "Try again",
    why_question: "How did my small photo become four times as large, and why does it look sharp?", why_wait: "Writing the explanation …", why_open: "Open the explanation",
    count: "{done} of {total} photos done", count_failed: "{failed} failed", size: "{from} → {to} pixels", preview: "The picture as far as it is done",
    here_server: "Your computer is there.", here_gone: "Your computer does not answer; photos are made larger on this device.", here_nothing: "Your computer does not answer, and this page was installed without the part that works on the device.",
    here_unkept: "Your computer does not answer, and this device cannot do without it: browsers keep what that needs only for pages that are open over HTTPS.",
    "no_preview": "This format cannot be shown here; save the file to see it.",
    error_gone: "The computer does not answer. Is it on, and is fourfold still running there? You can also choose “On this device”.",
    error_nowhere: "The computer does not answer, and this browser has not kept what the device needs to do it alone. Is the computer on, and is fourfold still running there?",
    error_token: "This device is not let in. Scan the code that fourfold shows on the computer again.",
    "error_not-a-picture": "This file is not a photo that can be read. Try another one, or save it as JPEG first.",
    "error_missing-extra": "The computer lacks the part of fourfold that reads HEIC: pip install 'fourfold[heif]'. Install it there, or save the photo as JPEG first.",
    error_picture: "The photo is damaged or cut short. Copy it again from where it comes from.",
    error_page: "The file has no page of this number. Choose another one, or leave the field empty for the first.",
    "error_too-many-pixels": "The photo is too large. Make it smaller first; it becomes four times as wide and high.",
    "error_too-many-bytes": "The file is too large.", "error_too-many-pixels-here": "On this device itself, photos may have one megapixel at most. On the computer they may be larger.",
    error_notenough: "It took more time or memory than is allowed. Try a smaller photo.", "error_not-enough": "The computer's disk is full.", error_device: "This device could not do it. Try a smaller photo, or use the computer.",
    error_unexpected: "Something went wrong that nobody foresaw. Try again.",
  },
  ko: {
    title: "작은 사진을 크고 선명하게", choose: "사진 고르기", camera: "사진 찍기", settings: "스타일과 강도",
    task: "할 일", task_upscale: "크고 선명하게", task_deblur: "카메라 흔들림 없애기, 크기는 그대로",
    deblurred: "카메라 흔들림을 없앴습니다.", unchanged: "없앨 흔들림이 없어 사진을 그대로 두었습니다.",
    style: "스타일", style_auto: "자동", style_faithful: "충실하게: 사진에 있는 것만", style_natural: "자연스럽게: 노이즈와 JPEG 손상 제거, 선명함은 추정",
    strength: "복원 강도", pages: "사진이 여러 장인 파일의 쪽 번호", where: "작업할 곳", where_auto: "컴퓨터에서, 안 되면 이 기기에서",
    where_server: "컴퓨터에서", where_device: "이 기기에서, 업로드하지 않음", language: "언어",
    ask: "과학자에게 묻기", ask_hint: "질문 하나, 또는 자료가 담긴 글 전체. 주어진 자료로만 답합니다.",
    ask_send: "묻기", asking: "생각하는 중 …", foot: "무엇도 내 기기 밖으로 나가지 않습니다. 사진 자체보다 세밀한 부분은 신경망의 추정이며 증거가 아닙니다.",
    waiting: "차례를 기다리는 중", uploading: "컴퓨터로 보내는 중", working: "작업 중", tiles: "{total}개 중 {done}개 완료",
    again: "중단되어 다시 시작함", on_server: "컴퓨터에서 {seconds}초 만에 만들었습니다.", on_device: "이 기기에서 {engine}(으)로 {seconds}초 만에 만들었습니다. 업로드하지 않았습니다. 파일의 위치와 날짜 정보는 남지 않습니다.",
    kept: "다시 줄이면 원래 사진과 {decibel} dB까지 일치합니다.", kept_exact: "다시 줄이면 원래 사진과 똑같습니다.",
    chosen_faithful: "스타일: 충실하게.", chosen_natural: "스타일: 자연스럽게.",
    before: "이전", after: "이후", slide: "밀어서 비교하기", save: "저장", share: "공유", why: "왜 선명해 보이나요", cancel: "취소", remove: "지우기", retry: "다시 시도",
    why_question: "어떻게 제 작은 사진이 네 배로 커졌고, 왜 선명해 보이나요?", why_wait: "설명을 쓰는 중 …", why_open: "설명 열기",
    count: "사진 {total}장 중 {done}장 완료", count_failed: "실패 {failed}장", size: "{from} → {to} 픽셀", preview: "지금까지 된 사진",
    here_server: "컴퓨터에 연결되어 있습니다.", here_gone: "컴퓨터가 응답하지 않아 이 기기에서 사진을 키웁니다.", here_nothing: "컴퓨터가 응답하지 않고, 이 페이지는 기기에서 작업하는 부분 없이 설치되었습니다.",
    here_unkept: "컴퓨터가 응답하지 않고, 이 기기만으로는 작업할 수 없습니다. 브라우저는 HTTPS로 연 페이지에서만 필요한 것을 보관합니다.",
    "no_preview": "이 형식은 여기서 보여 줄 수 없습니다. 저장해서 보세요.",
    error_gone: "컴퓨터가 응답하지 않습니다. 켜져 있고 fourfold가 실행 중인가요? “이 기기에서”를 고를 수도 있습니다.",
    error_nowhere: "컴퓨터가 응답하지 않고, 이 기기에서 혼자 작업하는 데 필요한 것이 브라우저에 보관되어 있지 않습니다. 컴퓨터가 켜져 있고 fourfold가 실행 중인가요?",
    error_token: "이 기기는 허용되지 않았습니다. 컴퓨터에 표시된 코드를 다시 찍어 주세요.",
    "error_not-a-picture": "읽을 수 있는 사진이 아닙니다. 다른 사진을 고르거나 JPEG로 저장해 주세요.",
    "error_missing-extra": "컴퓨터에 HEIC를 읽는 fourfold의 부분이 없습니다: pip install 'fourfold[heif]'. 컴퓨터에 설치하거나 사진을 JPEG로 저장해 주세요.",
    error_picture: "사진이 손상되었거나 잘렸습니다. 원본에서 다시 복사해 주세요.",
    error_page: "파일에 그 번호의 쪽이 없습니다. 다른 번호를 쓰거나, 첫 장을 원하면 비워 두세요.",
    "error_too-many-pixels": "사진이 너무 큽니다. 먼저 줄여 주세요. 가로세로가 네 배로 커집니다.",
    "error_too-many-bytes": "파일이 너무 큽니다.", "error_too-many-pixels-here": "이 기기에서는 1메가픽셀까지 가능합니다. 컴퓨터에서는 더 큰 사진도 됩니다.",
    error_notenough: "허용된 시간이나 메모리를 넘었습니다. 더 작은 사진으로 해 보세요.", "error_not-enough": "컴퓨터의 디스크가 가득 찼습니다.", error_device: "이 기기에서 하지 못했습니다. 더 작은 사진으로 하거나 컴퓨터를 쓰세요.",
    error_unexpected: "예상하지 못한 문제가 생겼습니다. 다시 시도해 주세요.",
  },
  es: {
    title: "Una foto pequeña, grande y nítida", choose: "Elegir fotos", camera: "Hacer una foto", settings: "Estilo e intensidad",
    task: "Qué hacer", task_upscale: "Hacerla grande y nítida", task_deblur: "Deshacer el movimiento de la cámara; el tamaño no cambia",
    deblurred: "Se deshizo el movimiento de la cámara.", unchanged: "No había movimiento que deshacer: la foto queda como estaba.",
    style: "Estilo", style_auto: "Automático", style_faithful: "Fiel: solo lo que hay en la foto", style_natural: "Natural: sin ruido ni daños de JPEG, nítida por estimación",
    strength: "Intensidad de la reparación", pages: "Página, si el archivo tiene varias imágenes", where: "Dónde se trabaja", where_auto: "En el ordenador; si no, en este dispositivo",
    where_server: "En el ordenador", where_device: "En este dispositivo; no se sube nada", language: "Idioma",
    ask: "Preguntar al científico", ask_hint: "Una pregunta, o un texto entero con sus fuentes. Solo responde con las fuentes dadas.",
    ask_send: "Preguntar", asking: "Pensando …", foot: "Nada sale de sus propios dispositivos. El detalle más fino que la propia foto es una estimación de la red, no una prueba.",
    waiting: "Esperando su turno", uploading: "Enviando a su ordenador", working: "Trabajando", tiles: "{done} de {total} partes hechas",
    again: "Empezada de nuevo tras una interrupción", on_server: "Hecha en su ordenador en {seconds} s.", on_device: "Hecha en este dispositivo en {seconds} s con {engine}; no se subió nada. Aquí no se conservan el lugar ni la fecha del archivo.",
    kept: "Al reducirla de nuevo coincide con su foto hasta {decibel} dB.", kept_exact: "Al reducirla de nuevo es exactamente su foto.",
    chosen_faithful: "Estilo: fiel.", chosen_natural: "Estilo: natural.",
    before: "Antes", after: "Después", slide: "Deslice para comparar", save: "Guardar", share: "Compartir", why: "Por qué se ve nítida", cancel: "Cancelar", remove: "Quitar", retry: "Intentar de nuevo",
    why_question: "¿Cómo se amplió mi foto pequeña cuatro veces y por qué se ve nítida?", why_wait: "Escribiendo la explicación …", why_open: "Abrir la explicación",
    count: "{done} de {total} fotos hechas", count_failed: "{failed} fallaron", size: "{from} → {to} píxeles", preview: "La imagen hasta donde está hecha",
    here_server: "Su ordenador responde.", here_gone: "Su ordenador no responde; las fotos se amplían en este dispositivo.", here_nothing: "Su ordenador no responde y esta página se instaló sin la parte que trabaja en el dispositivo.",
    here_unkept: "Su ordenador no responde, y este dispositivo no puede trabajar sin él: los navegadores solo guardan lo necesario para páginas abiertas por HTTPS.",
    "no_preview": "Este formato no se puede mostrar aquí; guarde el archivo para verlo.",
    error_gone: "El ordenador no responde. ¿Está encendido y sigue fourfold en marcha? También puede elegir «En este dispositivo».",
    error_nowhere: "El ordenador no responde, y este navegador no ha guardado lo que el dispositivo necesita para trabajar solo. ¿Está encendido el ordenador y sigue fourfold en marcha?",
    error_token: "Este dispositivo no tiene permiso. Vuelva a escanear el código que fourfold muestra en el ordenador.",
    "error_not-a-picture": "Este archivo no es una foto que se pueda leer. Pruebe con otra o guárdela antes como JPEG.",
    "error_missing-extra": "Al ordenador le falta la parte de fourfold que lee HEIC: pip install 'fourfold[heif]'. Instálela allí o guarde antes la foto como JPEG.",
    error_picture: "La foto está dañada o cortada. Cópiela de nuevo desde su origen.",
    error_page: "El archivo no tiene ninguna página con ese número. Elija otra o deje el campo vacío para la primera.",
    "error_too-many-pixels": "La foto es demasiado grande. Redúzcala antes: se hace cuatro veces más ancha y alta.",
    "error_too-many-bytes": "El archivo es demasiado grande.", "error_too-many-pixels-here": "En este dispositivo las fotos pueden tener un megapíxel como mucho. En el ordenador pueden ser mayores.",
    error_notenough: "Necesitó más tiempo o memoria de lo permitido. Pruebe con una foto más pequeña.", "error_not-enough": "El disco del ordenador está lleno.", error_device: "Este dispositivo no pudo hacerlo. Pruebe con una foto más pequeña o use el ordenador.",
    error_unexpected: "Algo falló sin que nadie lo previera. Inténtelo de nuevo.",
  },
};

export let language = "en";

export function speak(wanted) {
  language = WORDS[wanted] ? wanted : "en";
  document.documentElement.lang = language;
  for (const one of document.querySelectorAll("[data-word]")) one.textContent = say(one.dataset.word);
  for (const one of document.querySelectorAll("[data-label]")) one.setAttribute("aria-label", say(one.dataset.label));
}

export function known(wanted) {
  return wanted.map((one) => one.slice(0, 2)).find((one) => WORDS[one]) ?? "en";
}

// A word of the page with its {fields} filled in; for an error that has none of its own, what is said of any.
export function say(word, fields = {}) {
  const found = WORDS[language][word] ?? (word.startsWith("error_") ? WORDS[language].error_unexpected : word);
  return found.replace(/\{(\w+)\}/g, (_, name) => fields[name]);
}
